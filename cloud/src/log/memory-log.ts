import { ConnectionError, DataError, LimitError } from "@psgl/sdk";
import { cloudLimits } from "../limits.js";
import type { Log, LogEntry, LogWaitOptions } from "./log.js";

export interface MemoryLogOptions {
	/** Bytes that may be in the log and not released. Default 64 MiB. */
	readonly maxBytes?: number;
}

/** A log in memory: orders and bounds what devices publish, and forgets it when the process ends. */
export function createMemoryLog({ maxBytes = cloudLimits.memoryLogBytes }: MemoryLogOptions = {}): Log {
	return new MemoryLog(maxBytes);
}

class MemoryLog implements Log {
	readonly #maxBytes: number;
	/** Entries from position `#first` on; `#head` of them at the front are released. */
	#entries: (Uint8Array | undefined)[] = [];
	#first = 0;
	#head = 0;
	#bytes = 0;
	#closed = false;
	/** Appends in the order they came, so that waiting keeps it. */
	#appends: Promise<unknown> = Promise.resolve();
	readonly #changed = new Set<() => void>();

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
			if (entry.length > this.#maxBytes) {
				throw new LimitError("PSGL_LOG_ENTRY_TOO_LARGE", {
					what: "an entry does not fit in the log",
					got: `${entry.length} bytes`,
					expected: `at most ${this.#maxBytes} bytes`,
					remedy: "Lower maxMessageBytes, or give the log more memory",
				});
			}
			while (!this.#closed && this.#bytes + entry.length > this.#maxBytes) await this.#change(signal);
			if (this.#closed) throw closed();
			this.#entries.push(entry);
			this.#bytes += entry.length;
			this.#notify();
			return this.end - 1;
		});
		this.#appends = appended.catch(() => undefined);
		return appended;
	}

	async *read(from: number, { signal }: LogWaitOptions = {}): AsyncGenerator<LogEntry> {
		for (let position = from; ; position++) {
			while (position >= this.end && !this.#closed) await this.#change(signal);
			signal?.throwIfAborted();
			if (position >= this.end) return;
			const bytes = position < this.#first ? undefined : this.#entries[position - this.#first];
			if (bytes === undefined) {
				throw new DataError("PSGL_LOG_RELEASED", {
					what: "an entry of the log is no longer there",
					got: `position ${position}`,
					expected: `${this.start} or later`,
				});
			}
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
		this.#notify();
	}

	async close(): Promise<void> {
		this.#closed = true;
		this.#notify();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	#notify(): void {
		const waiting = [...this.#changed];
		this.#changed.clear();
		for (const wake of waiting) wake();
	}

	#change(signal: AbortSignal | undefined): Promise<void> {
		return new Promise((resolve, reject) => {
			if (signal?.aborted) return reject(signal.reason);
			const wake = () => {
				signal?.removeEventListener("abort", onAbort);
				resolve();
			};
			const onAbort = () => {
				this.#changed.delete(wake);
				reject(signal?.reason);
			};
			this.#changed.add(wake);
			signal?.addEventListener("abort", onAbort, { once: true });
		});
	}
}

function closed(): ConnectionError {
	return new ConnectionError("PSGL_LOG_CLOSED", { what: "the log is closed", remedy: "Start the aggregator again" });
}
