/** Names a batch: takes effect exactly once. */
export interface BatchIdentity {
	readonly device: string;
	readonly epoch: number;
	readonly seq: number;
}

/**
 * What to do with a batch that came in. `new`: compute its answer. `waiting`: its answer is being computed.
 * `answered`: it has been answered before. `ahead`: the batch before it is missing. `closed`: the device takes no part
 * in that epoch.
 */
export type Verdict = "new" | "waiting" | "answered" | "ahead" | "closed";

interface Place {
	readonly epoch: number;
	/** The batch that may come next. */
	next: number;
	/** Whether batch `next` is here and not answered. */
	waiting: boolean;
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

	/** `device` takes part in `epoch`, from batch 0. */
	open(device: string, epoch: number): void {
		this.#places.set(device, { epoch, next: 0, waiting: false });
	}

	/** `device` takes part in no epoch. Answer the batch that waits first. */
	close(device: string): void {
		this.#places.delete(device);
	}

	/** Takes a batch that came in, when it is new. */
	offer(identity: BatchIdentity): Verdict {
		const verdict = this.look(identity);
		if (verdict === "answered" || verdict === "waiting") this.#duplicates++;
		const place = this.#places.get(identity.device);
		if (verdict !== "new" || place === undefined) return verdict;
		place.waiting = true;
		this.#received++;
		return verdict;
	}

	/** What `offer` would say. */
	look({ device, epoch, seq }: BatchIdentity): Verdict {
		const place = this.#places.get(device);
		if (place === undefined || place.epoch !== epoch) return "closed";
		if (seq > place.next) return "ahead";
		if (seq < place.next) return "answered";
		return place.waiting ? "waiting" : "new";
	}

	/** The batch that waits was answered. */
	answer({ device, epoch, seq }: BatchIdentity, outcome: "applied" | "refused"): void {
		const place = this.#places.get(device);
		if (place === undefined || place.epoch !== epoch || place.next !== seq || !place.waiting) return;
		place.next++;
		place.waiting = false;
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
