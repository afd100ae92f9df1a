/**
 * While a stream takes nothing, one of the calls that wait for it finds out when it does again, and the others wait for that one: hundreds that
 * all asked again ten times a second would keep the servers from electing a leader.
 */
export class SharedOutage {
	#scout: object | undefined;
	#over: Promise<void> = Promise.resolve();
	#end: () => void = () => undefined;
	/** Callers that make no further attempt; one that was given up may still fail. */
	readonly #left = new WeakSet<object>();

	/**
	 * Makes a call, after the outage if there is one that another found.
	 * @param caller the same for all attempts of one caller
	 * @param isOutage whether an error says that the stream takes nothing at the moment
	 */
	async call<T>(caller: object, make: () => Promise<T>, isOutage: (error: unknown) => boolean): Promise<T> {
		while (this.#scout !== undefined && this.#scout !== caller) await this.#over;
		try {
			const result = await make();
			this.#release(caller);
			return result;
		} catch (error) {
			if (this.#scout === undefined && !this.#left.has(caller) && isOutage(error)) {
				this.#scout = caller;
				this.#over = new Promise((resolve) => {
					this.#end = resolve;
				});
			}
			throw error;
		}
	}

	/** A caller makes no further attempt: another finds out. */
	leave(caller: object): void {
		this.#left.add(caller);
		this.#release(caller);
	}

	#release(caller: object): void {
		if (this.#scout !== caller) return;
		this.#scout = undefined;
		this.#end();
	}
}
