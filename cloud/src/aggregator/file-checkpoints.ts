import { readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { DataError } from "@psgl/sdk";
import { syncFolder } from "../files/sync-folder.js";
import { writeAtomically } from "../files/write-atomically.js";
import { cloudLimits } from "../limits.js";
import type { CheckpointStore } from "./checkpoint-store.js";

/** A checkpoint's file and the ones before it, newest first. */
export function checkpointFiles(file: string): readonly string[] {
	return Array.from({ length: cloudLimits.checkpointsKept }, (_, age) => (age === 0 ? file : `${file}.${age}`));
}

/** Checkpoints in files: the newest under its name, those before beside it as `.1`, `.2`. */
export function fileCheckpoints(file: string): CheckpointStore {
	return {
		name: file,
		write: (bytes) => write(file, bytes),
		async *read() {
			for (const each of checkpointFiles(file)) {
				const bytes = await readIfPresent(each);
				if (bytes !== undefined) yield bytes;
			}
		},
	};
}

async function write(file: string, bytes: Uint8Array): Promise<void> {
	const next = `${file}.next`;
	await writeAtomically(next, bytes);
	const files = checkpointFiles(file);
	for (let age = files.length - 1; age > 0; age--) {
		await rename(files[age - 1] as string, files[age] as string).catch((error: NodeJS.ErrnoException) => {
			if (error.code !== "ENOENT") throw error;
		});
	}
	await rename(next, file);
	await syncFolder(dirname(file));
}

/** The bytes of a file, or undefined when there is none. @throws DataError `PSGL_CHECKPOINT_READ`. */
async function readIfPresent(file: string): Promise<Uint8Array | undefined> {
	try {
		return await readFile(file);
	} catch (cause) {
		if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
		throw new DataError("PSGL_CHECKPOINT_READ", {
			what: `cannot read the checkpoint ${file}`,
			got: (cause as Error).message,
			remedy: "Check the file's rights, or name another one",
			cause,
		});
	}
}
