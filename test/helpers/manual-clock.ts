import type { Clock } from "@psgl/sdk";

/** A clock that stands still until `advance` moves it. */
export class ManualClock implements Clock {
	#now: number;
	readonly #sleepers = new Set<{ readonly until: number; readonly wake: () => void }>();

	constructor(now = 0) {
		this.#now = now;
	}

	now(): number {
		return this.#now;
	}

	sleep(ms: number, signal?: AbortSignal): Promise<void> {
		return new Promise((resolve, reject) => {
			if (signal?.aborted) return reject(signal.reason);
			const abort = () => {
				this.#sleepers.delete(sleeper);
				reject(signal?.reason);
			};
			const wake = () => {
				signal?.removeEventListener("abort", abort);
				resolve();
			};
			const sleeper = { until: this.#now + ms, wake };
			this.#sleepers.add(sleeper);
			signal?.addEventListener("abort", abort, { once: true });
		});
	}

	/** Moves the time on, waking whoever's time has come, and lets them run. */
	async advance(ms: number): Promise<void> {
		this.#now += ms;
		for (const sleeper of this.#sleepers) {
			if (sleeper.until > this.#now) continue;
			this.#sleepers.delete(sleeper);
			sleeper.wake();
		}
		await new Promise((resolve) => setImmediate(resolve));
	}

	/** Number of sleeps under way. */
	get sleeping(): number {
		return this.#sleepers.size;
	}
}
