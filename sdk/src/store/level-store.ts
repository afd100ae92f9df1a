import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ClassicLevel } from "classic-level";
import { ConfigError, DataError, type PsglError } from "../errors.js";
import type { DeviceStore, StoreChange } from "../ports/device-store.js";
import { damagedStore, openCheckedStore, type RecordDatabase, unwritableStore } from "./checked-store.js";
import { isWholeLog } from "./whole-log.js";
import { isWholeTable } from "./whole-table.js";

/**
 * Opens a device's store in a folder, a LevelDB database; makes it when it is not there. A crash or power cut leaves the
 * last write or the one before it. LevelDB skips records of its log whose checksum is wrong and goes on after them, and
 * reads tables unchecked, ending the process where they make no sense; so the tables' checksums are looked at before anything is read, and
 * every store carries sums of all records, and one that they do not fit is refused.
 * @throws ConfigError `PSGL_STORE_LOCKED` when another process has it open, `PSGL_STORE_FOLDER` when the folder cannot be
 * used; DataError `PSGL_STORE_DAMAGED`, `PSGL_STORE_WRITE` when its disk is full or read-only.
 */
export async function openDeviceStore(folder: string): Promise<DeviceStore> {
	const database = new LevelDatabase(folder);
	try {
		await makeFolder(folder);
		await database.open();
	} catch (error) {
		throw openError(database, error);
	}
	return openCheckedStore(database);
}

async function makeFolder(folder: string): Promise<void> {
	await mkdir(folder, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
		if (error.code !== "ENOENT") throw error;
		// So Node.js tells of a read-only disk when it is to make the folders above as well.
		return mkdir(folder);
	});
}

/** What the system says of a disk that takes nothing at the moment: LevelDB passes on its words alone. */
const unwritable = /no space left|read-only file system|quota exceeded|ENOSPC|EROFS|EDQUOT/i;

class LevelDatabase implements RecordDatabase {
	readonly place: string;
	readonly remedies = { damaged: "Remove the folder", full: "Check the disk's free space and the folder's rights" };
	#opened: ClassicLevel<string, Uint8Array> | undefined;

	constructor(folder: string) {
		this.place = folder;
	}

	async open(): Promise<void> {
		await this.#requireWholeLogs();
		// It opens by itself as soon as it is made.
		this.#opened = new ClassicLevel(this.place, { keyEncoding: "utf8", valueEncoding: "view", compression: false });
		await this.#opened.open();
		await this.#requireWholeTables();
	}

	/** LevelDB takes no write any more after one that failed, and what it wrote of it ends its log: opened again, it begins a new one. */
	async recover(): Promise<void> {
		await this.close();
		try {
			await this.open();
		} catch (error) {
			const typed = openError(this, error);
			// Any other reason may pass, as the one for which the write failed.
			throw typed.code === "PSGL_STORE_FOLDER" ? error : typed;
		}
	}

	get #level(): ClassicLevel<string, Uint8Array> {
		return this.#opened as ClassicLevel<string, Uint8Array>;
	}

	/** @throws DataError `PSGL_STORE_DAMAGED` when a table in use is not what LevelDB wrote. */
	async #requireWholeTables(): Promise<void> {
		// A table that is being written, or was when the power failed, is not among them.
		const tables = this.#level.getProperty("leveldb.sstables");
		for (const [, number = ""] of tables.matchAll(/^ (\d+):\d+\[/gm)) {
			const name = `${number.padStart(6, "0")}.ldb`;
			// One that is gone was merged into another meanwhile.
			const bytes = await readFile(join(this.place, name)).catch(() => undefined);
			if (bytes === undefined || isWholeTable(bytes)) continue;
			await this.close();
			throw damagedStore(this, `${name}: a block without its checksum`);
		}
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

	/** @throws DataError `PSGL_STORE_DAMAGED` before LevelDB reads a log that would end the process. */
	async #requireWholeLogs(): Promise<void> {
		for (const name of await readdir(this.place)) {
			if (!name.endsWith(".log")) continue;
			// One that is gone is a table now: another process has the store, and LevelDB will say so.
			const bytes = await readFile(join(this.place, name)).catch(() => undefined);
			if (bytes !== undefined && !isWholeLog(bytes)) throw damagedStore(this, `${name}: a record that is no write`);
		}
	}
}

function openError(database: RecordDatabase, error: unknown): PsglError {
	if (error instanceof DataError) return error;
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
	if (unwritable.test(`${code} ${message}`)) return unwritableStore(database, message, cause);
	return new ConfigError("PSGL_STORE_FOLDER", {
		what: `the device's store ${place} cannot be opened`,
		got: message,
		remedy: "Name a folder that is there and may be written to",
		cause,
	});
}
