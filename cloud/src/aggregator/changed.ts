import type { Clock } from "@psgl/sdk";

/** Why a sleep ends early. One for all: the error with its stack that a signal makes by itself takes longer than to wake somebody. */
const changed = new Error("something has changed");

/** Lets one part of the aggregator wait until another has changed something. */
export class Changed {
	readonly #clock: Clock;
	#waiting: (() => void)[] = [];

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Wakes everyone who waits. */
	notify(): void {
		const waiting = this.#waiting;
		this.#waiting = [];
		for (const wake of waiting) wake();
	}

	/** Resolves with true at the next `notify`, with false when the clock has reached `deadline`. */
	async wait(deadline = Number.POSITIVE_INFINITY): Promise<boolean> {
		const next = new Promise<true>((resolve) => this.#waiting.push(() => resolve(true)));
		if (deadline === Number.POSITIVE_INFINITY) return next;
		const left = deadline - this.#clock.now();
		if (left <= 0) return false;
		const stop = new AbortController();
		const late = this.#clock.sleep(left, stop.signal).then(
			() => false,
			() => false,
		);
		const first = await Promise.race([next, late]);
		stop.abort(changed);
		return first;
	}
}
