import { type Clock, systemClock } from "@psgl/sdk";
import { leaseLost } from "../lease/lease-errors.js";
import { cloudLimits } from "../limits.js";
import { isWrongSequence } from "./nats-faults.js";
import type { NatsLink } from "./nats-link.js";
import { persist } from "./persist.js";

export interface OwnerWriterOptions {
	readonly link: NatsLink;
	readonly stream: string;
	/** Where owners of the log write, and nobody else. */
	readonly subject: string;
	readonly clock?: Clock | undefined;
}

/**
 * Writes what only the owner of a log may. Each entry names the one before it on the subject (JetStream's expected last
 * sequence), so the server refuses what comes from an owner that another has followed, however late it wakes up.
 */
export class OwnerWriter {
	readonly #options: OwnerWriterOptions;
	readonly #session = crypto.randomUUID();
	#writes = 0;
	#last = 0;
	/** Writes, one after the other: each needs the sequence of the one before. */
	#writing: Promise<unknown> = Promise.resolve();

	constructor(options: OwnerWriterOptions) {
		this.#options = options;
	}

	/** Becomes the owner with this entry. Returns its sequence. */
	async claim(entry: Uint8Array): Promise<number> {
		for (;;) {
			this.#last = (await this.#newest())?.seq ?? 0;
			try {
				return await this.write(entry);
			} catch (error) {
				// The owner before may have written between the look and the claim.
				if (!isWrongSequence((error as Error).cause)) throw error;
			}
		}
	}

	/** Returns the entry's sequence. @throws ConnectionError `PSGL_LEASE_LOST` when another owns the log. */
	write(entry: Uint8Array, signal?: AbortSignal): Promise<number> {
		const msgID = `${this.#session}.${this.#writes++}`;
		const written = this.#writing.then(() => this.#write(entry, msgID, signal));
		this.#writing = written.catch(() => undefined);
		return written;
	}

	async #write(entry: Uint8Array, msgID: string, signal: AbortSignal | undefined): Promise<number> {
		const { link, subject, stream, clock = systemClock } = this.#options;
		const expect = { lastSubjectSequence: this.#last };
		const publish = () => link.jetStream.publish(subject, entry, { msgID, expect, timeout: cloudLimits.storeCallMs });
		try {
			const { seq } = await persist(link, publish, { signal, clock, what: "write to the log" });
			this.#last = seq;
			return seq;
		} catch (error) {
			if (!isWrongSequence(error)) throw error;
			// An attempt of ours that was taken, whose answer was lost, and that the server has forgotten meanwhile.
			const newest = await this.#newest();
			if (newest?.header.get("Nats-Msg-Id") === msgID) {
				this.#last = newest.seq;
				return newest.seq;
			}
			const lost = leaseLost(stream, `a later owner has written entry ${(newest?.seq ?? 0) - 1} of the log`);
			lost.cause = error;
			throw lost;
		}
	}

	async #newest() {
		const { link, subject, stream } = this.#options;
		const what = "look at the log's owner";
		const look = () => link.manager.streams.getMessage(stream, { last_by_subj: subject });
		return (await persist(link, look, { timeoutMs: cloudLimits.storeStartMs, what })) ?? undefined;
	}
}
