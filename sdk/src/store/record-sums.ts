import { checksum } from "../protocol/checksum.js";

const utf8 = new TextEncoder();

/** CRC-32C of a record's name, a zero byte and its value. */
export function recordSum(key: string, value: Uint8Array): number {
	return checksum(utf8.encode(`${key}\0`), value);
}

/**
 * One number for all records of a store: their number, and the sum of their checksums modulo 2^32. It changes with
 * every write at the cost of the records written, and tells a store that lost one write of several from a whole one.
 */
export class RecordSums {
	readonly #sums = new Map<string, number>();
	#total = 0;

	set(key: string, sum: number): void {
		this.delete(key);
		this.#sums.set(key, sum);
		this.#total = (this.#total + sum) >>> 0;
	}

	delete(key: string): void {
		const sum = this.#sums.get(key);
		if (sum === undefined) return;
		this.#sums.delete(key);
		this.#total = (this.#total - sum) >>> 0;
	}

	get(key: string): number | undefined {
		return this.#sums.get(key);
	}

	get keys(): Iterable<string> {
		return this.#sums.keys();
	}

	/** Eight bytes: the number of records and the sum, little-endian. */
	get bytes(): Uint8Array {
		const bytes = new Uint8Array(8);
		const view = new DataView(bytes.buffer);
		view.setUint32(0, this.#sums.size, true);
		view.setUint32(4, this.#total, true);
		return bytes;
	}
}
