import { open, readFile } from "node:fs/promises";
import type { PsglError } from "../errors.js";
import { fileError } from "./file-error.js";

export interface BoundedRead {
	/** Most bytes the file may have. */
	readonly most: number;
	/** The error for a longer one. */
	readonly tooLong: (path: string, bytes: number) => PsglError;
	readonly signal?: AbortSignal | undefined;
}

/**
 * A file's bytes; its length is looked at before memory is set aside.
 * @throws DataError `PSGL_DATA_NOT_FOUND`, `PSGL_DATA_UNREADABLE`; what `tooLong` gives
 */
export async function readBounded(path: string, { most, tooLong, signal }: BoundedRead): Promise<Buffer> {
	try {
		const file = await open(path);
		try {
			const { size } = await file.stat();
			if (size > most) throw tooLong(path, size);
			return await readFile(file, { signal });
		} finally {
			await file.close();
		}
	} catch (cause) {
		if (cause instanceof Error && "syscall" in cause) throw fileError(path, cause);
		throw cause;
	}
}
