/** Calls that bring one thing up to date, one after the other; those that are asked for while one is under way are one call. */
export class LatestCall {
	/** The call that has not begun. */
	#queued: Promise<void> | undefined;
	#last: Promise<void> = Promise.resolve();

	/** Resolves when a call that began after this one was asked for is through. @throws as `make`. */
	call(make: () => Promise<void>): Promise<void> {
		this.#queued ??= this.#last.then(() => {
			this.#queued = undefined;
			return make();
		});
		const queued = this.#queued;
		this.#last = queued.catch(() => undefined);
		return queued;
	}
}
