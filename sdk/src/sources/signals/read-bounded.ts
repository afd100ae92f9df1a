import { createHash } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { fileError } from "../file-error.js";
import { signalLimit } from "./signal-error.js";
import { signalLimits } from "./signal-limits.js";

/**
 * A file's bytes, of at most `maxSignalFileBytes`.
 * @throws DataError `PSGL_DATA_NOT_FOUND`, `PSGL_DATA_UNREADABLE`; LimitError `PSGL_SIGNAL_LIMIT`
 */
export async function readBounded(path: string, signal: AbortSignal | undefined): Promise<Buffer> {
	try {
		const file = await open(path);
		try {
			const { size } = await file.stat();
			const most = signalLimits.maxSignalFileBytes;
			if (size > most) throw signalLimit(path, `${size} bytes`, `${most} bytes`);
			return await readFile(file, { signal });
		} finally {
			await file.close();
		}
	} catch (cause) {
		if (cause instanceof Error && "syscall" in cause) throw fileError(path, cause);
		throw cause;
	}
}

/** SHA-256 (hex) of the bytes. */
export const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
