import type { CreditMessage, GradientMessage, RoundMessage } from "../protocol/index.js";

/**
 * How many batches of a round the aggregator has room for. Grants are counts from the round's beginning, not steps, so one
 * that comes twice, late or out of order changes nothing.
 */
export class Credit {
	#epoch = -1;
	#upTo = 0;

	/** Takes the grant in a message, if it has one. */
	take(message: RoundMessage | GradientMessage | CreditMessage): void {
		const upTo = message.type === "credit" ? message.upTo : message.credit;
		if (upTo === undefined || message.epoch < this.#epoch) return;
		this.#upTo = message.epoch === this.#epoch ? Math.max(this.#upTo, upTo) : upTo;
		this.#epoch = message.epoch;
	}

	/** Whether anything was granted in a round, as it is when a `round` message begins it. */
	knows(epoch: number): boolean {
		return epoch === this.#epoch;
	}

	/** Whether batch `seq` of a round may be sent. */
	allows(epoch: number, seq: number): boolean {
		return epoch === this.#epoch && seq < this.#upTo;
	}

	/** The aggregator has forgotten what it granted. */
	reset(): void {
		this.#epoch = -1;
		this.#upTo = 0;
	}
}
