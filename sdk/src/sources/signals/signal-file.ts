import { createHash } from "node:crypto";
import { readBounded } from "../read-bounded.js";
import { signalLimit } from "./signal-error.js";
import { signalLimits } from "./signal-limits.js";

/**
 * The bytes of a file of a recording.
 * @throws DataError `PSGL_DATA_NOT_FOUND`, `PSGL_DATA_UNREADABLE`; LimitError `PSGL_SIGNAL_LIMIT`
 */
export function readSignalFile(path: string, signal: AbortSignal | undefined): Promise<Buffer> {
	const most = signalLimits.maxSignalFileBytes;
	const tooLong = (name: string, bytes: number) => signalLimit(name, `${bytes} bytes`, `${most} bytes`);
	return readBounded(path, { most, tooLong, signal });
}

/** SHA-256 (hex) of the bytes. */
export const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
