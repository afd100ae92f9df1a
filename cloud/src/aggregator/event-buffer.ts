/**
 * Events for any number of readers, each at its own pace. A reader sees what comes after it started; when more than
 * `limit` events wait for it, the oldest that `mayDrop` allows is dropped.
 */
export class EventBuffer<T> {
	readonly #limit: number;
	readonly #mayDrop: (event: T) => boolean;
	readonly #readers = new Set<{ readonly events: T[]; wake: (() => void) | undefined }>();
	#ended: { readonly error?: unknown } | undefined;

	constructor(limit: number, mayDrop: (event: T) => boolean) {
		this.#limit = limit;
		this.#mayDrop = mayDrop;
	}

	push(event: T): void {
		for (const reader of this.#readers) {
			if (reader.events.length >= this.#limit) {
				const oldest = reader.events.findIndex(this.#mayDrop);
				reader.events.splice(Math.max(oldest, 0), 1);
			}
			reader.events.push(event);
			reader.wake?.();
		}
	}

	/** Readers end after the events that wait for them; with `error` they reject then. */
	end(ended: { readonly error?: unknown } = {}): void {
		this.#ended ??= ended;
		for (const { wake } of this.#readers) wake?.();
	}

	/** Events from now on. */
	read(): AsyncIterableIterator<T> {
		const reader = { events: [] as T[], wake: undefined as (() => void) | undefined };
		this.#readers.add(reader);
		return this.#events(reader);
	}

	async *#events(reader: { readonly events: T[]; wake: (() => void) | undefined }): AsyncGenerator<T> {
		try {
			for (;;) {
				const event = reader.events.shift();
				if (event !== undefined) yield event;
				else if (this.#ended !== undefined) {
					if ("error" in this.#ended) throw this.#ended.error;
					return;
				} else {
					await new Promise<void>((resolve) => {
						reader.wake = resolve;
					});
					reader.wake = undefined;
				}
			}
		} finally {
			this.#readers.delete(reader);
		}
	}
}
