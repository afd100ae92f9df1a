import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { constants, createBrotliCompress } from "node:zlib";
import { turnBranches } from "./branch-addresses.js";
import { packedSuffixes } from "./packed-suffixes.js";
import { architecture, type Target } from "./target.js";

export interface PackingOptions {
	readonly target: Target;
	/** Compresses in seconds instead of minutes. */
	readonly quick: boolean;
	/** Called with the bytes packed since it was called last. */
	readonly onPacked: (bytes: number) => void;
	readonly signal?: AbortSignal | undefined;
}

const pieceBytes = 256 * 1024;
const leastBytes = 64 * 1024;

/** Files for which it pays: native code and long scripts. */
export function isWorthPacking(path: string, bytes: number): boolean {
	return bytes >= leastBytes && /\.(js|node|so(\.\d+)*)$/.test(path);
}

/**
 * A file as Node.js itself can unpack it, and what to put behind its name; native code a third smaller than by gzip. The same file
 * gives the same bytes.
 */
export async function packFile(
	path: string,
	content: Uint8Array,
	options: PackingOptions,
): Promise<{ readonly suffix: string; readonly bytes: Uint8Array }> {
	const turned = architecture(options.target) === "x64" && !path.endsWith(".js");
	const source = turned ? turnBranches(content) : content;
	const compress = createBrotliCompress({
		params: {
			[constants.BROTLI_PARAM_QUALITY]: options.quick ? 4 : constants.BROTLI_MAX_QUALITY,
			[constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
			[constants.BROTLI_PARAM_SIZE_HINT]: source.byteLength,
		},
	});
	const [, bytes] = await Promise.all([
		pipeline(Readable.from(pieces(source, options)), compress, { signal: options.signal }),
		buffer(compress),
	]);
	return { suffix: turned ? packedSuffixes.x86 : packedSuffixes.plain, bytes };
}

function* pieces(source: Uint8Array, { onPacked }: PackingOptions): Generator<Uint8Array> {
	for (let at = 0; at < source.byteLength; at += pieceBytes) {
		const piece = source.subarray(at, at + pieceBytes);
		yield piece;
		onPacked(piece.byteLength);
	}
}
