/** Reads an async iterator in the background and lets a test wait for an event. */
export class EventReader<E extends { readonly type: string }> {
	/** Everything read so far. */
	readonly events: E[] = [];
	/** Settles as the iterator ends. */
	readonly done: Promise<void>;
	#ended = false;
	#taken = 0;
	#wake: (() => void) | undefined;

	constructor(source: AsyncIterable<E>) {
		this.done = this.#read(source);
		// A failure is what the test looks at when it awaits `done`.
		this.done.catch(() => undefined);
	}

	get types(): string[] {
		return this.events.map((event) => event.type);
	}

	/** The next event of this type after the last one that was waited for. */
	async next<T extends E["type"]>(type: T): Promise<Extract<E, { readonly type: T }>> {
		for (;;) {
			const event = this.events[this.#taken++];
			if (event?.type === type) return event as Extract<E, { readonly type: T }>;
			if (event !== undefined) continue;
			this.#taken--;
			if (this.#ended) {
				await this.done;
				throw new Error(`no ${type} event; there were ${this.types.join(", ")}`);
			}
			await new Promise<void>((resolve) => {
				this.#wake = resolve;
			});
		}
	}

	async #read(source: AsyncIterable<E>): Promise<void> {
		try {
			for await (const event of source) {
				this.events.push(event);
				this.#wake?.();
			}
		} finally {
			this.#ended = true;
			this.#wake?.();
		}
	}
}
