import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Results may take this many bytes before those that nobody holds any more are looked for. */
const bytesBetweenCollections = 4 * 2 ** 20;

/** The same where many devices share a process: of a batch that waits for its turn, little outlasts two collections then. */
const roomyBytesBetweenCollections = 32 * 2 ** 20;

/** One collection in so many is of the whole heap, as without pressure from outside V8 makes none for long. */
const collectionsToWhole = 64;

type Collect = (options?: { readonly type: "minor" }) => void;

/**
 * Collects results that are no longer used. Results lie in memory outside JavaScript's
 * heap, whose size V8 lets grow by tens of mebibytes before it collects: a third of what a small training device takes
 * in all (docs/performance.md). A collection of the young generation alone takes about a millisecond.
 */
export class ResultCollector {
	readonly #collect: Collect;
	#bytesBetween = bytesBetweenCollections;
	#bytes = 0;
	#collections = 0;

	constructor() {
		// The collector is reached by a flag of V8; a context that is made while it is set has it.
		const exposed = globalThis.gc !== undefined;
		setFlagsFromString("--expose-gc");
		this.#collect = runInNewContext("gc") as Collect;
		if (!exposed) setFlagsFromString("--no-expose-gc");
	}

	/** From now on collects less often, for more memory. */
	useRoom(): void {
		this.#bytesBetween = roomyBytesBetweenCollections;
	}

	/** Counts the bytes of new results. */
	count(bytes: number): void {
		this.#bytes += bytes;
	}

	/** Collects when enough has come together. */
	collectIfDue(): void {
		if (this.#bytes < this.#bytesBetween) return;
		this.#bytes = 0;
		this.#collections += 1;
		if (this.#collections % collectionsToWhole === 0) this.#collect();
		else this.#collect({ type: "minor" });
	}
}
