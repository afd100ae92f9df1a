import { cloudLimits } from "../limits.js";
import type { Log, LogEntry, LogWaitOptions } from "./log.js";
import { entryTooLarge, logClosed, released } from "./log-errors.js";
import { Waiters } from "./waiters.js";

export interface MemoryLogOptions {
	/** Bytes that may be in the log and not released. Default 64 MiB. */
	readonly maxBytes?: number;
}

/** A log in memory: orders and bounds what devices publish, and forgets it when the process ends. */
export function createMemoryLog({ maxBytes = cloudLimits.memoryLogBytes }: MemoryLogOptions = {}): Log {
	return new MemoryLog(maxBytes);
}

class MemoryLog implements Log {
	readonly id = "";
	readonly durable = false;
	readonly openedAt = 0;
	readonly #maxBytes: number;
	/** Entries from position `#first` on; `#head` of them at the front are released. */
	#entries: (Uint8Array | undefined)[] = [];
	#first = 0;
	#head = 0;
	#bytes = 0;
	#closed = false;
	/** Appends in the order they came, so that waiting keeps it. */
	#appends: Promise<unknown> = Promise.resolve();
	readonly #waiters = new Waiters();

	constructor(maxBytes: number) {
		this.#maxBytes = maxBytes;
	}

	get start(): number {
		return this.#first + this.#head;
	}

	get end(): number {
		return this.#first + this.#entries.length;
	}

	append(entry: Uint8Array, { signal }: LogWaitOptions = {}): Promise<number> {
		const appended = this.#appends.then(async () => {
			if (entry.length > this.#maxBytes) throw entryTooLarge(entry.length, this.#maxBytes);
			while (!this.#closed && this.#bytes + entry.length > this.#maxBytes) await this.#waiters.change(signal);
			if (this.#closed) throw logClosed();
			this.#entries.push(entry);
			this.#bytes += entry.length;
			this.#waiters.notify();
			return this.end - 1;
		});
		this.#appends = appended.catch(() => undefined);
		return appended;
	}

	async *read(from: number, { signal }: LogWaitOptions = {}): AsyncGenerator<LogEntry> {
		for (let position = from; ; position++) {
			while (position >= this.end && !this.#closed) await this.#waiters.change(signal);
			signal?.throwIfAborted();
			if (position >= this.end) return;
			const bytes = position < this.#first ? undefined : this.#entries[position - this.#first];
			if (bytes === undefined) throw released(position, this.start);
			yield { position, bytes };
		}
	}

	release(before: number): void {
		const released = Math.min(before, this.end) - this.#first;
		for (; this.#head < released; this.#head++) {
			this.#bytes -= this.#entries[this.#head]?.length ?? 0;
			this.#entries[this.#head] = undefined;
		}
		// Moving the rest to the front only when half is gone keeps the cost of a release constant.
		if (this.#head > 32 && this.#head * 2 > this.#entries.length) {
			this.#entries = this.#entries.slice(this.#head);
			this.#first += this.#head;
			this.#head = 0;
		}
		this.#waiters.notify();
	}

	async close(): Promise<void> {
		this.#closed = true;
		this.#waiters.notify();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}
}
