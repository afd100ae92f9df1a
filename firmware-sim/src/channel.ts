/** Hands values from many writers to one reader, who sets the pace. */
export class Channel<T> {
	readonly #items: { readonly value: T; readonly taken: () => void }[] = [];
	#wake: (() => void) | undefined;
	#closed = false;
	#left = false;

	/** Resolves when the reader has taken the value, or has left. */
	put(value: T): Promise<void> {
		if (this.#left) return Promise.resolve();
		return new Promise((taken) => {
			this.#items.push({ value, taken });
			this.#wake?.();
		});
	}

	/** The reader's loop ends after what was put before. */
	close(): void {
		this.#closed = true;
		this.#wake?.();
	}

	/** For one reader. A reader that leaves lets every writer go on. */
	async *read(): AsyncGenerator<T, void> {
		try {
			for (;;) {
				const item = this.#items.shift();
				if (item !== undefined) {
					item.taken();
					yield item.value;
				} else if (this.#closed) return;
				else {
					await new Promise<void>((resolve) => {
						this.#wake = resolve;
					});
				}
			}
		} finally {
			this.#left = true;
			for (const { taken } of this.#items.splice(0)) taken();
		}
	}
}
