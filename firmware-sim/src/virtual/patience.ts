import { deviceTimes } from "@psgl/sdk";
import type { EventQueue } from "./event-queue.js";

/**
 * How long a device waits for an answer before it asks: longer each time, up to a bound, as the real one does. One event a device looks
 * at its deadline: most answers come long before, and an event for each would fill the queue.
 */
export class Patience {
	/** How often in a row nothing came. */
	quiet = 0;
	readonly #queue: EventQueue;
	readonly #onQuiet: () => void;
	#deadline: number | undefined;
	#watchAt = Number.POSITIVE_INFINITY;

	constructor(queue: EventQueue, onQuiet: () => void) {
		this.#queue = queue;
		this.#onQuiet = onQuiet;
	}

	/** From now on an answer is waited for. */
	wait(): void {
		const times = Math.min(2 ** this.quiet, deviceTimes.maxPatience);
		this.#deadline = this.#queue.now + deviceTimes.answerTimeoutMs * times;
		this.#watch(this.#deadline);
	}

	/** Nothing is waited for. */
	end(): void {
		this.#deadline = undefined;
		this.quiet = 0;
	}

	#watch(at: number): void {
		if (this.#watchAt <= at) return;
		this.#watchAt = at;
		this.#queue.at(at, () => {
			// An earlier deadline has put another look in this one's place.
			if (this.#watchAt !== at) return;
			this.#watchAt = Number.POSITIVE_INFINITY;
			if (this.#deadline === undefined) return;
			if (this.#deadline > this.#queue.now) {
				this.#watch(this.#deadline);
				return;
			}
			this.#deadline = undefined;
			this.#onQuiet();
		});
	}
}
