import { mkdir } from "node:fs/promises";
import { ClassicLevel } from "classic-level";
import { ConfigError } from "../errors.js";
import type { DeviceStore, StoreChange } from "../ports/device-store.js";
import { damagedStore, openCheckedStore, type RecordDatabase } from "./checked-store.js";

/**
 * Opens a device's store in a folder, a LevelDB database; makes it when it is not there. A crash or power cut leaves the
 * last write or the one before it. LevelDB skips records of its log whose checksum is wrong and goes on after them, and
 * reads tables unchecked; so every store carries sums of all records, and one that they do not fit is refused.
 * @throws ConfigError `PSGL_STORE_LOCKED` when another process has it open, `PSGL_STORE_FOLDER` when the folder cannot be
 * used; DataError `PSGL_STORE_DAMAGED`.
 */
export async function openDeviceStore(folder: string): Promise<DeviceStore> {
	const database = new LevelDatabase(folder);
	try {
		await mkdir(folder, { recursive: true });
		await database.open();
	} catch (error) {
		throw openError(database, error);
	}
	return openCheckedStore(database);
}

class LevelDatabase implements RecordDatabase {
	readonly place: string;
	readonly remedies = { damaged: "Remove the folder", full: "Check the disk's free space and the folder's rights" };
	readonly #level: ClassicLevel<string, Uint8Array>;

	constructor(folder: string) {
		this.place = folder;
		this.#level = new ClassicLevel(folder, { keyEncoding: "utf8", valueEncoding: "view", compression: false });
	}

	open(): Promise<void> {
		return this.#level.open();
	}

	async get(key: string): Promise<Uint8Array | undefined> {
		const value = await this.#level.get(key);
		// LevelDB gives a Buffer; callers get what the type says.
		return value && new Uint8Array(value);
	}

	entries(): AsyncIterable<[string, Uint8Array]> {
		return this.#level.iterator();
	}

	apply(changes: readonly StoreChange[]): Promise<void> {
		const batch = changes.map(({ key, value }) =>
			value === undefined ? ({ type: "del", key } as const) : ({ type: "put", key, value } as const),
		);
		return this.#level.batch(batch, { sync: true });
	}

	close(): Promise<void> {
		return this.#level.close();
	}
}

function openError(database: RecordDatabase, error: unknown): Error {
	const { place } = database;
	const cause = error instanceof Error ? (error.cause ?? error) : error;
	const { code, message } = cause as { readonly code?: string; readonly message?: string };
	if (code === "LEVEL_LOCKED") {
		return new ConfigError("PSGL_STORE_LOCKED", {
			what: `another process uses the device's store ${place}`,
			got: message,
			remedy: "Stop that device first, or give this one a folder of its own",
			cause,
		});
	}
	if (code === "LEVEL_CORRUPTION") return damagedStore(database, message, cause);
	return new ConfigError("PSGL_STORE_FOLDER", {
		what: `the device's store ${place} cannot be opened`,
		got: message,
		remedy: "Name a folder that is there and may be written to",
		cause,
	});
}
