import { readFileSync } from "node:fs";
import koffi from "koffi";

/** Nothing ran for so long: the process waits for somebody. The pauses between the batches of a round are shorter. */
const idleAfterMs = 1000;
/** madvise(2), MADV_DONTNEED: pages of a file that nobody has written to are read again when they are needed. */
const dontNeed = 4;
/** Head of a range in /proc/self/smaps: addresses, rights, and the path of the file that is mapped there. */
const rangeHead = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \S+ *(.*)$/;

/**
 * Takes code that does not run, and what the allocator keeps for later, out of the resident memory of a process that waits: to start, load
 * ONNX Runtime and compile graphs touches far more of both than the steps of a small network. The code stays in the system's file cache
 * while there is room, from where it is mapped again piece by piece, microseconds each. On Linux with glibc; elsewhere nothing is done.
 */
export class IdleMemory {
	readonly #advise: ((address: bigint, bytes: number, advice: number) => number) | undefined;
	readonly #trim: ((pad: number) => number) | undefined;
	#timer: NodeJS.Timeout | undefined;

	/** The library has just been loaded. */
	constructor() {
		if (process.platform !== "linux") return;
		try {
			const libc = koffi.load("libc.so.6");
			this.#advise = libc.func("int madvise(uint64_t, size_t, int)");
			this.#trim = libc.func("int malloc_trim(size_t)");
		} catch {
			// Another libc.
		}
		this.used();
	}

	/** A graph was compiled, or runs. */
	used(): void {
		// The process's own time: it is its memory that counts, and no result depends on it.
		if (this.#timer !== undefined) this.#timer.refresh();
		else if (this.#advise !== undefined) this.#timer = setTimeout(() => this.#rest(), idleAfterMs).unref();
	}

	#rest(): void {
		for (const { start, bytes } of codeRanges()) this.#advise?.(start, bytes, dontNeed);
		this.#trim?.(0);
	}
}

/** Where code of files lies in this process as it is in the files; nowhere where the system does not tell. */
function codeRanges(): readonly { readonly start: bigint; readonly bytes: number }[] {
	let text: string;
	try {
		text = readFileSync("/proc/self/smaps", "latin1");
	} catch {
		return [];
	}
	const ranges: { readonly start: bigint; readonly bytes: number }[] = [];
	let code: { readonly start: bigint; readonly bytes: number } | undefined;
	for (const line of text.split("\n")) {
		const [, first, last, rights, path = ""] = rangeHead.exec(line) ?? [];
		if (first !== undefined) {
			const start = BigInt(`0x${first}`);
			code =
				rights === "r-xp" && path.startsWith("/") ? { start, bytes: Number(BigInt(`0x${last}`) - start) } : undefined;
		} else if (code !== undefined && /^Anonymous: +0 kB/.test(line)) ranges.push(code);
	}
	return ranges;
}
