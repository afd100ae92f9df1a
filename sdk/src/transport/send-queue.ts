import { LimitError } from "../errors.js";

/**
 * Bytes that may wait for an acknowledgement: the longest message of the protocol twice, the one under way and the
 * next.
 */
export const maxSendQueueBytes = 128 * 1024 * 1024;

/** A publish that waits for its acknowledgement. */
export interface Outgoing {
	readonly topic: string;
	readonly payload: Uint8Array;
	readonly retain: boolean;
	resolve(): void;
	reject(error: unknown): void;
}

/**
 * Publishes the broker has not acknowledged, oldest first. It lives as long as the transport: what has to outlast the
 * process is in the device's `Outbox`, until the aggregator has answered.
 */
export class SendQueue {
	readonly #waiting = new Set<Outgoing>();
	#bytes = 0;

	/** @throws LimitError `PSGL_TRANSPORT_QUEUE`. */
	add(entry: Outgoing): void {
		if (this.#bytes + entry.payload.length > maxSendQueueBytes) {
			throw new LimitError("PSGL_TRANSPORT_QUEUE", {
				what: "too much waits to be sent",
				got: `${this.#waiting.size} messages with ${this.#bytes} bytes, and one of ${entry.payload.length}`,
				expected: `at most ${maxSendQueueBytes} bytes`,
				remedy: "Wait for earlier messages to be acknowledged, and check the link",
			});
		}
		this.#waiting.add(entry);
		this.#bytes += entry.payload.length;
	}

	/** False when it was taken out before. */
	remove(entry: Outgoing): boolean {
		if (!this.#waiting.delete(entry)) return false;
		this.#bytes -= entry.payload.length;
		return true;
	}

	[Symbol.iterator](): Iterator<Outgoing> {
		return [...this.#waiting][Symbol.iterator]();
	}
}
