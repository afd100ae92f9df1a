import { ConfigError } from "../errors.js";
import type { DeviceStore, StoreChange } from "../ports/device-store.js";

/** The records of a store in memory. They outlast the store, as a disk does. */
export type MemoryRecords = Map<string, Uint8Array>;

/** A device's store in memory: for tests, and for devices that may forget. */
export function memoryDeviceStore(records: MemoryRecords = new Map()): DeviceStore {
	return new MemoryStore(records);
}

class MemoryStore implements DeviceStore {
	readonly #records: MemoryRecords;
	#closed = false;

	constructor(records: MemoryRecords) {
		this.#records = records;
	}

	async get(key: string): Promise<Uint8Array | undefined> {
		this.#requireOpen();
		return this.#records.get(key)?.slice();
	}

	async keys(prefix: string): Promise<readonly string[]> {
		this.#requireOpen();
		return [...this.#records.keys()].filter((key) => key.startsWith(prefix)).sort();
	}

	async write(changes: readonly StoreChange[]): Promise<void> {
		this.#requireOpen();
		for (const { key, value } of changes) {
			if (value === undefined) this.#records.delete(key);
			else this.#records.set(key, value.slice());
		}
	}

	async close(): Promise<void> {
		this.#closed = true;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	#requireOpen(): void {
		if (this.#closed) throw storeClosed();
	}
}

export function storeClosed(): ConfigError {
	return new ConfigError("PSGL_STORE_CLOSED", {
		what: "the device's store is closed",
		remedy: "Open it again; a device closes the store it was given",
	});
}
