import type { Clock } from "../ports/clock.js";

/** Why a wait ends that something came for. One for all: an error with its stack, made for each message, costs more than to hand the message on. */
const woken = new Error("something came");

/** What a mailbox keeps when nobody reads it; an answer that falls out is asked for again. */
const maxItems = 64;

export interface WaitForItem {
	readonly clock: Clock;
	readonly timeoutMs: number;
	readonly signal?: AbortSignal | undefined;
}

/** Items in order for one reader. Writing never waits: a transport's handler may write. */
export class Mailbox<T> {
	readonly #items: T[] = [];
	#failure: { readonly error: unknown } | undefined;
	#wake: (() => void) | undefined;

	/** Adds an item; drops the oldest when the mailbox is full. */
	push(item: T): void {
		this.#items.push(item);
		if (this.#items.length > maxItems) this.#items.shift();
		this.#wake?.();
	}

	/** Puts an item back to the front. */
	putBack(item: T): void {
		this.#items.unshift(item);
	}

	/** Makes every wait reject with `error`. */
	fail(error: unknown): void {
		this.#failure ??= { error };
		this.#wake?.();
	}

	/** The next item; undefined when none comes in time. Rejects when aborted, or with what `fail` was given. */
	async next({ clock, timeoutMs, signal }: WaitForItem): Promise<T | undefined> {
		signal?.throwIfAborted();
		if (this.#failure === undefined && this.#items.length === 0) await this.#wait(clock, timeoutMs, signal);
		signal?.throwIfAborted();
		if (this.#failure !== undefined) throw this.#failure.error;
		return this.#items.shift();
	}

	/** Waits whatever comes, and leaves it there. Rejects when aborted, or with what `fail` was given. */
	async rest({ clock, timeoutMs, signal }: WaitForItem): Promise<void> {
		const until = clock.now() + timeoutMs;
		for (;;) {
			signal?.throwIfAborted();
			if (this.#failure !== undefined) throw this.#failure.error;
			const left = until - clock.now();
			if (left <= 0) return;
			await this.#wait(clock, left, signal);
		}
	}

	async #wait(clock: Clock, timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
		const stop = new AbortController();
		const wake = () => stop.abort(woken);
		this.#wake = wake;
		signal?.addEventListener("abort", wake, { once: true });
		try {
			await clock.sleep(timeoutMs, stop.signal).catch(() => {});
		} finally {
			signal?.removeEventListener("abort", wake);
			this.#wake = undefined;
		}
	}
}
