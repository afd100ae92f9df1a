import { DataError, PsglError } from "../errors.js";
import type { DeviceStore, StoreChange } from "../ports/device-store.js";
import { storeClosed } from "./memory-store.js";
import { RecordSums, recordSum } from "./record-sums.js";

/** Name of the record that holds the sums of all others. */
const sumsKey = "\0sums";

/** What the records of a checked store lie in: a database that makes all changes of a batch or none. */
export interface RecordDatabase {
	/** For messages: a folder, or a name. */
	readonly place: string;
	/** What to do when it is damaged, and when it cannot be written. */
	readonly remedies: { readonly damaged: string; readonly full: string };
	get(key: string): Promise<Uint8Array | undefined>;
	entries(): AsyncIterable<readonly [key: string, value: Uint8Array]>;
	/** Makes all changes or none; resolves when they outlast a power cut. */
	apply(changes: readonly StoreChange[]): Promise<void>;
	/** Makes a database fit for use in which `apply` failed; it may hold those changes or not. Absent where it stays fit. */
	recover?(): Promise<void>;
	close(): Promise<void>;
}

/**
 * A device's store in a database that may give back less than was written without saying so. Every write carries sums of
 * all records; a database that they do not fit is refused. Reads every record once. Closes the database when it fails.
 * @throws DataError `PSGL_STORE_DAMAGED`.
 */
export async function openCheckedStore(database: RecordDatabase): Promise<DeviceStore> {
	try {
		return new CheckedStore(database, await readSums(database));
	} catch (error) {
		await database.close();
		throw error;
	}
}

class CheckedStore implements DeviceStore {
	readonly #database: RecordDatabase;
	#sums: RecordSums;
	/** A write failed: what the database holds is not known. */
	#uncertain = false;
	#recovering: Promise<void> | undefined;
	/** The last write; the next one starts when it has ended. */
	#writing: Promise<unknown> = Promise.resolve();
	#closing: Promise<void> | undefined;

	constructor(database: RecordDatabase, sums: RecordSums) {
		this.#database = database;
		this.#sums = sums;
	}

	async get(key: string): Promise<Uint8Array | undefined> {
		this.#requireOpen();
		await this.#writing;
		await this.#recover();
		const value = await this.#database.get(key);
		const expected = this.#sums.get(key);
		if (value === undefined && expected === undefined) return undefined;
		if (value === undefined || recordSum(key, value) !== expected) {
			throw damagedStore(this.#database, `record ${key}`);
		}
		return value;
	}

	async keys(prefix: string): Promise<readonly string[]> {
		this.#requireOpen();
		await this.#writing;
		return [...this.#sums.keys].filter((key) => key.startsWith(prefix)).sort();
	}

	async write(changes: readonly StoreChange[]): Promise<void> {
		this.#requireOpen();
		const writing = this.#writing.then(() => this.#write(changes));
		this.#writing = writing.catch(() => undefined);
		await writing;
	}

	close(): Promise<void> {
		this.#closing ??= this.#writing.then(() => this.#database.close());
		return this.#closing;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	async #write(changes: readonly StoreChange[]): Promise<void> {
		await this.#recover();
		const before = changes.map(({ key }) => [key, this.#sums.get(key)] as const);
		for (const { key, value } of changes) this.#account(key, value && recordSum(key, value));
		try {
			await this.#database.apply([...changes, { key: sumsKey, value: this.#sums.bytes }]);
		} catch (cause) {
			for (const [key, sum] of before) this.#account(key, sum);
			this.#uncertain = this.#database.recover !== undefined;
			throw unwritableStore(this.#database, (cause as Error).message, cause);
		}
	}

	/** After a write that failed: what is in the database now, with that write or without it. */
	async #recover(): Promise<void> {
		if (!this.#uncertain) return;
		this.#recovering ??= this.#takeStock().finally(() => {
			this.#recovering = undefined;
		});
		await this.#recovering;
	}

	async #takeStock(): Promise<void> {
		try {
			await this.#database.recover?.();
		} catch (cause) {
			throw cause instanceof PsglError ? cause : unwritableStore(this.#database, (cause as Error).message, cause);
		}
		this.#sums = await readSums(this.#database);
		this.#uncertain = false;
	}

	#account(key: string, sum: number | undefined): void {
		if (sum === undefined) this.#sums.delete(key);
		else this.#sums.set(key, sum);
	}

	#requireOpen(): void {
		if (this.#closing !== undefined) throw storeClosed();
	}
}

/** The error for a store whose disk takes nothing. */
export function unwritableStore({ place, remedies }: RecordDatabase, got?: string, cause?: unknown): DataError {
	return new DataError("PSGL_STORE_WRITE", {
		what: `the device's store ${place} cannot be written`,
		got,
		remedy: `${remedies.full}; what was written before is safe`,
		cause,
	});
}

/** The error for a store that is not what its last write left. */
export function damagedStore({ place, remedies }: RecordDatabase, got?: string, cause?: unknown): DataError {
	return new DataError("PSGL_STORE_DAMAGED", {
		what: `the device's store ${place} is damaged`,
		got,
		expected: "the records of its last write",
		remedy: `${remedies.damaged}: the device then starts anew with the next round`,
		cause,
	});
}

/** Reads every record once, and checks that together they are what one write left. */
async function readSums(database: RecordDatabase): Promise<RecordSums> {
	const sums = new RecordSums();
	let expected: Uint8Array | undefined;
	try {
		for await (const [key, value] of database.entries()) {
			if (key === sumsKey) expected = value;
			else sums.set(key, recordSum(key, value));
		}
	} catch (cause) {
		throw damagedStore(database, (cause as Error).message, cause);
	}
	const found = sums.bytes;
	const matches = expected?.length === found.length && found.every((byte, i) => byte === expected[i]);
	const empty = expected === undefined && sums.keys[Symbol.iterator]().next().done === true;
	if (!matches && !empty) throw damagedStore(database, "records that do not belong together");
	return sums;
}
