/** Names a batch: takes effect exactly once. */
export interface BatchIdentity {
	readonly device: string;
	readonly epoch: number;
	readonly seq: number;
}

/**
 * What to do with a batch that came in. `new`: compute its answer. `waiting`: its answer is being computed, or has to wait for a batch
 * before it. `answered`: it has been answered before. `ahead`: batches before it are missing. `closed`: the device takes no
 * part in that epoch.
 */
export type Verdict = "new" | "waiting" | "answered" | "ahead" | "closed";

interface Place {
	readonly epoch: number;
	/** Batches the device may have under way at a time. */
	readonly window: number;
	/** The first batch without an answer. */
	next: number;
	/** Batches from `next` on that are here and not answered. */
	readonly waiting: Set<number>;
	/** Batches after `next` that were answered, refused, before their turn. */
	readonly passed: Set<number>;
}

/** How many batches came in how often. */
export interface LedgerCounts {
	/** Different batches that came in. */
	readonly received: number;
	/** Batches that took effect on the weights. */
	readonly applied: number;
	/** Batches answered with a refusal. */
	readonly refused: number;
	/** Copies of batches, which had no effect. */
	readonly duplicates: number;
}

/** Decides which batches take effect: each identity once, in order. */
export class Ledger {
	readonly #places = new Map<string, Place>();
	#received = 0;
	#applied = 0;
	#refused = 0;
	#duplicates = 0;

	/** `device` takes part in `epoch`, from batch 0, with up to `window` batches under way. */
	open(device: string, epoch: number, window = 1): void {
		this.#places.set(device, { epoch, window, next: 0, waiting: new Set(), passed: new Set() });
	}

	/** `device` takes part in no epoch. Answer the batches that wait first. */
	close(device: string): void {
		this.#places.delete(device);
	}

	/** Takes a batch that came in, when it is new. */
	offer(identity: BatchIdentity): Verdict {
		const verdict = this.look(identity);
		if (verdict === "answered" || verdict === "waiting") this.#duplicates++;
		const place = this.#places.get(identity.device);
		if (verdict !== "new" || place === undefined) return verdict;
		place.waiting.add(identity.seq);
		this.#received++;
		return verdict;
	}

	/** What `offer` would say. */
	look({ device, epoch, seq }: BatchIdentity): Verdict {
		const place = this.#places.get(device);
		if (place === undefined || place.epoch !== epoch) return "closed";
		if (seq >= place.next + place.window) return "ahead";
		if (seq < place.next || place.passed.has(seq)) return "answered";
		return place.waiting.has(seq) ? "waiting" : "new";
	}

	/** The batch of a device whose turn it is; undefined when it takes part in no epoch. */
	next(device: string): number | undefined {
		return this.#places.get(device)?.next;
	}

	/** A batch that waits was answered: applied when it is its turn, refused at any time. */
	answer({ device, epoch, seq }: BatchIdentity, outcome: "applied" | "refused"): void {
		const place = this.#places.get(device);
		if (place === undefined || place.epoch !== epoch || !place.waiting.has(seq)) return;
		if (outcome === "applied" && seq !== place.next) return;
		place.waiting.delete(seq);
		place.passed.add(seq);
		while (place.passed.delete(place.next)) place.next++;
		if (outcome === "applied") this.#applied++;
		else this.#refused++;
	}

	get counts(): LedgerCounts {
		return {
			received: this.#received,
			applied: this.#applied,
			refused: this.#refused,
			duplicates: this.#duplicates,
		};
	}
}
