import { readFile } from "node:fs/promises";
import { ConfigError } from "../errors.js";
import { type CompleteKit, parseStartUpKit } from "./start-up-kit.js";

/**
 * Reads a kit's file.
 * @param keyPath file of the device's private key in PEM, where the kit holds none
 * @throws ConfigError `PSGL_KIT`.
 */
export async function readStartUpKit(path: string, keyPath?: string): Promise<CompleteKit> {
	const text = await readSecret(path);
	return parseStartUpKit(text, keyPath === undefined ? undefined : await readSecret(keyPath));
}

async function readSecret(path: string): Promise<string> {
	try {
		return await readFile(path, "utf8");
	} catch (cause) {
		throw new ConfigError("PSGL_KIT", {
			what: `${path} cannot be read`,
			got: (cause as Error).message,
			remedy: "Check the paths of the kit and of its key, and who may read them",
			cause,
		});
	}
}
