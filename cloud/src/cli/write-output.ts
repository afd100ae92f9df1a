import { writeFile } from "node:fs/promises";
import { ConfigError } from "@psgl/sdk";

/** Writes a file the user named. @throws ConfigError `PSGL_OUTPUT_UNWRITABLE`. */
export async function writeOutput(path: string, content: Uint8Array | string): Promise<void> {
	try {
		await writeFile(path, content);
	} catch (cause) {
		throw new ConfigError("PSGL_OUTPUT_UNWRITABLE", {
			what: `${path} cannot be written`,
			got: (cause as Error).message,
			remedy: "Choose a file in a folder that exists and may be written to",
			cause,
		});
	}
}
