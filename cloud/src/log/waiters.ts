/** Everyone who waits for the next change of a log. */
export class Waiters {
	readonly #waiting = new Set<() => void>();

	/** Wakes everyone. */
	notify(): void {
		const waiting = [...this.#waiting];
		this.#waiting.clear();
		for (const wake of waiting) wake();
	}

	/** Resolves at the next `notify`; rejects with the signal's reason. */
	change(signal: AbortSignal | undefined): Promise<void> {
		return new Promise((resolve, reject) => {
			if (signal?.aborted) return reject(signal.reason);
			const wake = () => {
				signal?.removeEventListener("abort", onAbort);
				resolve();
			};
			const onAbort = () => {
				this.#waiting.delete(wake);
				reject(signal?.reason);
			};
			this.#waiting.add(wake);
			signal?.addEventListener("abort", onAbort, { once: true });
		});
	}
}
