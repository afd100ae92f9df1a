import { crc32 } from "node:zlib";
import yauzl from "yauzl";
import { DataError, LimitError } from "../errors.js";
import { fileError } from "./file-error.js";
import { defaultMaxExpandedBytes } from "./load-options.js";
import { type NpyArray, parseNpy } from "./npy.js";

export interface ReadNpzOptions {
	/** Most bytes all arrays together may expand to. Default 1 GiB. */
	readonly maxExpandedBytes?: number | undefined;
	readonly signal?: AbortSignal | undefined;
	/** Called after each array. */
	readonly onArray?: ((done: number, total: number) => void) | undefined;
}

/**
 * Reads every array of an npz archive (a zip of npy files), checking each one's CRC-32.
 *
 * @param source a path, or the archive's bytes
 * @returns the arrays by name, without `.npy`
 * @throws DataError `PSGL_DATA_NOT_FOUND`, `PSGL_DATA_UNREADABLE`, `PSGL_NPZ_CORRUPT`, `PSGL_NPZ_CHECKSUM` and those of `parseNpy`
 * @throws LimitError `PSGL_NPZ_EXPANDS`
 */
export async function readNpz(
	source: string | Uint8Array,
	options: ReadNpzOptions = {},
): Promise<Map<string, NpyArray>> {
	const { maxExpandedBytes = defaultMaxExpandedBytes, signal, onArray } = options;
	const name = typeof source === "string" ? source : "the npz archive";
	signal?.throwIfAborted();
	const zip = await openZip(source, name);
	try {
		const entries = await listEntries(zip, name);
		const declared = entries.reduce((sum, entry) => sum + entry.uncompressedSize, 0);
		if (declared > maxExpandedBytes) throw expands(name, `${declared} bytes by its directory`, maxExpandedBytes);
		const arrays = new Map<string, NpyArray>();
		for (const entry of entries) {
			signal?.throwIfAborted();
			const key = entry.fileName.replace(/\.npy$/, "");
			if (arrays.has(key)) throw corrupt(name, `two arrays named ${key}`);
			arrays.set(key, parseNpy(await inflate(zip, entry, name, signal), `${name}: ${key}`));
			onArray?.(arrays.size, entries.length);
		}
		return arrays;
	} finally {
		zip.close();
	}
}

async function openZip(source: string | Uint8Array, name: string): Promise<yauzl.ZipFile> {
	// yauzl's own size check is off: `inflate` stops a lying entry itself, with an error that names the limit.
	const settings = { lazyEntries: true, autoClose: false, validateEntrySizes: false };
	try {
		return typeof source === "string"
			? await yauzl.openPromise(source, settings)
			: await yauzl.fromBufferPromise(Buffer.from(source.buffer, source.byteOffset, source.byteLength), settings);
	} catch (cause) {
		if (cause instanceof Error && "syscall" in cause) throw fileError(name, cause);
		throw corrupt(name, cause instanceof Error ? cause.message : String(cause), cause);
	}
}

async function listEntries(zip: yauzl.ZipFile, name: string): Promise<yauzl.Entry[]> {
	const entries: yauzl.Entry[] = [];
	try {
		for await (const entry of zip.eachEntry()) {
			if (!entry.fileName.endsWith("/")) entries.push(entry);
		}
	} catch (cause) {
		throw corrupt(name, cause instanceof Error ? cause.message : String(cause), cause);
	}
	return entries;
}

/** One entry's bytes; stops as soon as it gives more than its directory entry declares. */
async function inflate(
	zip: yauzl.ZipFile,
	entry: yauzl.Entry,
	name: string,
	signal: AbortSignal | undefined,
): Promise<Uint8Array> {
	const chunks: Buffer[] = [];
	let length = 0;
	let checksum = 0;
	try {
		const stream = await zip.openReadStreamPromise(entry);
		for await (const chunk of stream as AsyncIterable<Buffer>) {
			signal?.throwIfAborted();
			length += chunk.length;
			if (length > entry.uncompressedSize) {
				throw expands(name, `${entry.fileName} goes past its declared size`, entry.uncompressedSize);
			}
			checksum = crc32(chunk, checksum);
			chunks.push(chunk);
		}
	} catch (cause) {
		if (cause instanceof LimitError || signal?.aborted) throw cause;
		throw corrupt(name, `${entry.fileName}: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
	}
	if (length !== entry.uncompressedSize) {
		throw corrupt(name, `${entry.fileName} ends after ${length} of ${entry.uncompressedSize} bytes`);
	}
	if (checksum !== entry.crc32) {
		throw new DataError("PSGL_NPZ_CHECKSUM", {
			what: `${entry.fileName} in ${name} was changed after it was written`,
			got: `CRC-32 ${checksum.toString(16).padStart(8, "0")}`,
			expected: entry.crc32.toString(16).padStart(8, "0"),
			remedy: "Fetch or write the file again.",
		});
	}
	return Buffer.concat(chunks, length);
}

function corrupt(name: string, got: string, cause?: unknown): DataError {
	return new DataError("PSGL_NPZ_CORRUPT", {
		what: `${name} is not a whole npz archive`,
		got,
		expected: "a zip archive of npy arrays, as numpy.savez writes it",
		remedy: "Fetch or write the file again.",
		cause,
	});
}

function expands(name: string, got: string, limit: number): LimitError {
	return new LimitError("PSGL_NPZ_EXPANDS", {
		what: `${name} expands past the limit`,
		got,
		expected: `at most ${limit} bytes`,
		remedy: "If you trust the file, raise maxExpandedBytes.",
	});
}
