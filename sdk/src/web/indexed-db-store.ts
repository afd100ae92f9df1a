import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import { ConfigError } from "../errors.js";
import type { DeviceStore, StoreChange } from "../ports/device-store.js";
import { openCheckedStore, type RecordDatabase } from "../store/checked-store.js";

interface Schema extends DBSchema {
	records: { key: string; value: Uint8Array };
}

/**
 * Opens a device's store in the browser, an IndexedDB database `psgl-NAME`; makes it when it is not there. One tab or
 * worker at a time has it open, which the Web Locks API sees to. Browsers may delete what a site keeps when the disk runs
 * short, unless the user lets it stay: ask by `navigator.storage.persist()`.
 * @throws ConfigError `PSGL_STORE_LOCKED` when another tab or worker has it open, `PSGL_STORE_FOLDER` when the browser keeps
 * nothing (private windows of some); DataError `PSGL_STORE_DAMAGED`.
 */
export async function openIndexedDbStore(name: string): Promise<DeviceStore> {
	const unlock = await lock(name);
	try {
		return await openCheckedStore(new IndexedDbDatabase(name, await open(name), unlock));
	} catch (error) {
		unlock();
		throw error;
	}
}

class IndexedDbDatabase implements RecordDatabase {
	readonly place: string;
	readonly remedies = { damaged: "Delete the site's data in the browser", full: "Free some of the browser's storage" };
	readonly #database: IDBPDatabase<Schema>;
	readonly #unlock: () => void;

	constructor(name: string, database: IDBPDatabase<Schema>, unlock: () => void) {
		this.place = name;
		this.#database = database;
		this.#unlock = unlock;
	}

	get(key: string): Promise<Uint8Array | undefined> {
		return this.#database.get("records", key);
	}

	async *entries(): AsyncGenerator<readonly [string, Uint8Array]> {
		// One by one: a cursor's transaction ends when anything else is waited for between two steps.
		for (const key of await this.#database.getAllKeys("records")) {
			const value = await this.#database.get("records", key);
			if (value !== undefined) yield [key, value];
		}
	}

	async apply(changes: readonly StoreChange[]): Promise<void> {
		// strict: complete when the disk has it, not when the system's cache has.
		const transaction = this.#database.transaction("records", "readwrite", { durability: "strict" });
		const writes = changes.map(({ key, value }) =>
			value === undefined ? transaction.store.delete(key) : transaction.store.put(own(value), key),
		);
		await Promise.all([...writes, transaction.done]);
	}

	async close(): Promise<void> {
		this.#database.close();
		this.#unlock();
	}
}

/** The bytes alone: with a view the browser would keep all of the memory it looks on. */
function own(value: Uint8Array): Uint8Array {
	return value.byteLength === value.buffer.byteLength ? value : value.slice();
}

/** Takes the store's lock; returns what gives it back. A tab that ends, however it ends, gives its locks back. */
function lock(name: string): Promise<() => void> {
	return new Promise((resolve, reject) => {
		const held = navigator.locks.request(`psgl-${name}`, { ifAvailable: true }, (granted) => {
			if (granted === null) {
				throw new ConfigError("PSGL_STORE_LOCKED", {
					what: `the device's store ${name} is in use`,
					got: "another tab or worker has it open",
					remedy: "Close the other one, or give this device a store of its own",
				});
			}
			return new Promise<void>((unlock) => resolve(unlock));
		});
		held.catch(reject);
	});
}

async function open(name: string): Promise<IDBPDatabase<Schema>> {
	try {
		return await openDB<Schema>(`psgl-${name}`, 1, {
			upgrade: (database) => {
				database.createObjectStore("records");
			},
		});
	} catch (cause) {
		throw new ConfigError("PSGL_STORE_FOLDER", {
			what: `the browser does not open the store ${name}`,
			got: cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause),
			remedy: "Let the site keep data, in a window that is not private",
			cause,
		});
	}
}
