import { rename, rm, writeFile } from "node:fs/promises";
import { ConfigError } from "@psgl/sdk";

/** Writes a file the user named: all of it, or the file stays as it was. @throws ConfigError `PSGL_OUTPUT_UNWRITABLE`. */
export async function writeOutput(path: string, content: Uint8Array | string): Promise<void> {
	// Beside the file, so that renaming does not copy.
	const partial = `${path}.${process.pid}.part`;
	try {
		await writeFile(partial, content);
		await rename(partial, path);
	} catch (cause) {
		await rm(partial, { force: true });
		throw new ConfigError("PSGL_OUTPUT_UNWRITABLE", {
			what: `${path} cannot be written`,
			got: (cause as Error).message,
			remedy: "Choose a file in a folder that exists and may be written to",
			cause,
		});
	}
}
