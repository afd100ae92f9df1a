/** Who holds incomplete messages, and can give some up. */
export interface PartialHolder {
	/** Bytes of incomplete messages that have arrived. */
	readonly heldBytes: number;
	/** Gives up the incomplete message that takes the most. */
	giveUp(): void;
}

/**
 * Bytes that the incomplete messages of all senders may take together. When they take more, whoever holds the most gives one up: a sender
 * that leaves much half-sent pays for it, not the one whose chunk came last.
 */
export class PartialBudget {
	readonly maxBytes: number;
	readonly #holders = new Set<PartialHolder>();
	#bytes = 0;

	constructor(maxBytes: number) {
		this.maxBytes = maxBytes;
	}

	/** Bytes held now. */
	get bytes(): number {
		return this.#bytes;
	}

	/** So many bytes more are held by this sender. Afterwards all together hold no more than they may. */
	add(holder: PartialHolder, bytes: number): void {
		this.#holders.add(holder);
		this.#bytes += bytes;
		while (this.#bytes > this.maxBytes) this.#largest().giveUp();
	}

	/** So many bytes fewer are held by this sender. */
	release(holder: PartialHolder, bytes: number): void {
		this.#bytes -= bytes;
		if (holder.heldBytes === 0) this.#holders.delete(holder);
	}

	#largest(): PartialHolder {
		return [...this.#holders].reduce((most, each) => (each.heldBytes > most.heldBytes ? each : most));
	}
}
