import { ConfigError } from "@psgl/sdk";
import { writeAtomically } from "./write-atomically.js";

/**
 * Writes a file the user named: all of it, or the file stays as it was.
 * @param mode rights of a file that holds a secret: 0o600
 * @throws ConfigError `PSGL_OUTPUT_UNWRITABLE`.
 */
export async function writeOutput(path: string, content: Uint8Array | string, mode?: number): Promise<void> {
	try {
		await writeAtomically(path, content, mode);
	} catch (cause) {
		throw new ConfigError("PSGL_OUTPUT_UNWRITABLE", {
			what: `${path} cannot be written`,
			got: (cause as Error).message,
			remedy: "Choose a file in a folder that exists and may be written to",
			cause,
		});
	}
}
