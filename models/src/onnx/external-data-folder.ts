import { closeSync, fstatSync, openSync, readSync, realpathSync } from "node:fs";
import { join, sep } from "node:path";
import { ArtifactError } from "@psgl/sdk";
import type { ExternalData } from "./external-data.js";

/**
 * Reads external data from a folder, which is that of the model. Links that lead out of it are not followed: a model
 * from elsewhere could otherwise take any file of the machine into its weights.
 *
 * @throws ArtifactError `PSGL_ONNX_EXTERNAL_DATA` (when called) for a file that is not there or not in the folder
 */
export function externalDataFolder(folder: string): ExternalData {
	return (location, offset, length) => {
		let descriptor: number;
		try {
			const path = realpathSync(join(folder, location));
			if (!path.startsWith(realpathSync(folder) + sep)) throw new Error(`${path} is not in ${folder}`);
			descriptor = openSync(path, "r");
		} catch (cause) {
			throw new ArtifactError("PSGL_ONNX_EXTERNAL_DATA", {
				what: "a file with weights of the model cannot be read",
				got: (cause as Error).message,
				remedy: "Keep it in the folder of the model, under the name it was saved with",
				cause,
			});
		}
		try {
			const present = Math.max(0, Math.min(length, fstatSync(descriptor).size - offset));
			const bytes = new Uint8Array(present);
			let read = 0;
			while (read < present) {
				const count = readSync(descriptor, bytes, read, present - read, offset + read);
				if (count === 0) return bytes.subarray(0, read);
				read += count;
			}
			return bytes;
		} finally {
			closeSync(descriptor);
		}
	};
}
