/** The last answers to each device, encoded, to be sent again when a copy of the question comes or the device asks. */
export class AnswerCache {
	readonly #kept: number;
	readonly #devices = new Map<string, Map<string, readonly Uint8Array[]>>();

	/** @param kept answers kept for each device */
	constructor(kept: number) {
		this.#kept = kept;
	}

	/** Keeps the envelopes of an answer; the oldest one of the device goes. */
	keep(device: string, key: string, envelopes: readonly Uint8Array[]): void {
		let answers = this.#devices.get(device);
		if (answers === undefined) {
			answers = new Map();
			this.#devices.set(device, answers);
		}
		answers.delete(key);
		answers.set(key, envelopes);
		const [oldest] = answers.keys();
		if (answers.size > this.#kept && oldest !== undefined) answers.delete(oldest);
	}

	find(device: string, key: string): readonly Uint8Array[] | undefined {
		return this.#devices.get(device)?.get(key);
	}

	forget(device: string): void {
		this.#devices.delete(device);
	}
}
