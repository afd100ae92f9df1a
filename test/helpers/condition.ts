/** Lets a test wait until something holds, looking whenever it is told that something happened. */
export class Condition {
	#wake: () => void = () => undefined;

	notify(): void {
		this.#wake();
	}

	async until(holds: () => boolean): Promise<void> {
		while (!holds()) {
			await new Promise<void>((resolve) => {
				this.#wake = resolve;
			});
		}
	}
}
