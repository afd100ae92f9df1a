import { mkdir } from "node:fs/promises";
import { ClassicLevel } from "classic-level";
import { ConfigError, DataError } from "../errors.js";
import type { DeviceStore, StoreChange } from "../ports/device-store.js";
import { storeClosed } from "./memory-store.js";
import { RecordSums, recordSum } from "./record-sums.js";

/** Name of the record that holds the sums of all others. */
const sumsKey = "\0sums";

type Level = ClassicLevel<string, Uint8Array>;

/**
 * Opens a device's store in a folder, a LevelDB database; makes it when it is not there. A crash or power cut leaves the
 * last write or the one before it. LevelDB skips records of its log whose checksum is wrong and goes on after them, and
 * reads tables unchecked; so every store carries sums of all records, and one that they do not fit is refused.
 * @throws ConfigError `PSGL_STORE_LOCKED` when another process has it open, `PSGL_STORE_FOLDER` when the folder cannot be
 * used; DataError `PSGL_STORE_DAMAGED`.
 */
export async function openDeviceStore(folder: string): Promise<DeviceStore> {
	let level: Level;
	try {
		await mkdir(folder, { recursive: true });
		level = new ClassicLevel(folder, { keyEncoding: "utf8", valueEncoding: "view", compression: false });
		await level.open();
	} catch (error) {
		throw openError(folder, error);
	}
	try {
		return new LevelStore(folder, level, await readSums(folder, level));
	} catch (error) {
		await level.close();
		throw error;
	}
}

class LevelStore implements DeviceStore {
	readonly #folder: string;
	readonly #level: Level;
	readonly #sums: RecordSums;
	/** The last write; the next one starts when it has ended. */
	#writing: Promise<unknown> = Promise.resolve();
	#closing: Promise<void> | undefined;

	constructor(folder: string, level: Level, sums: RecordSums) {
		this.#folder = folder;
		this.#level = level;
		this.#sums = sums;
	}

	async get(key: string): Promise<Uint8Array | undefined> {
		this.#requireOpen();
		await this.#writing;
		const value = await this.#level.get(key);
		const expected = this.#sums.get(key);
		if (value === undefined && expected === undefined) return undefined;
		if (value === undefined || recordSum(key, value) !== expected) throw damaged(this.#folder, `record ${key}`);
		// LevelDB gives a Buffer; callers get what the type says.
		return new Uint8Array(value);
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
		this.#closing ??= this.#writing.then(() => this.#level.close());
		return this.#closing;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	async #write(changes: readonly StoreChange[]): Promise<void> {
		const before = changes.map(({ key }) => [key, this.#sums.get(key)] as const);
		for (const { key, value } of changes) this.#account(key, value && recordSum(key, value));
		const batch = [...changes, { key: sumsKey, value: this.#sums.bytes }].map(({ key, value }) =>
			value === undefined ? ({ type: "del", key } as const) : ({ type: "put", key, value } as const),
		);
		try {
			await this.#level.batch(batch, { sync: true });
		} catch (cause) {
			for (const [key, sum] of before) this.#account(key, sum);
			throw new DataError("PSGL_STORE_WRITE", {
				what: `the device's store ${this.#folder} cannot be written`,
				got: (cause as Error).message,
				remedy: "Check the disk's free space and the folder's rights; what was written before is safe",
				cause,
			});
		}
	}

	#account(key: string, sum: number | undefined): void {
		if (sum === undefined) this.#sums.delete(key);
		else this.#sums.set(key, sum);
	}

	#requireOpen(): void {
		if (this.#closing !== undefined) throw storeClosed();
	}
}

/** Reads every record once, and checks that together they are what one write left. */
async function readSums(folder: string, level: Level): Promise<RecordSums> {
	const sums = new RecordSums();
	let expected: Uint8Array | undefined;
	try {
		for await (const [key, value] of level.iterator()) {
			if (key === sumsKey) expected = value;
			else sums.set(key, recordSum(key, value));
		}
	} catch (cause) {
		throw damaged(folder, (cause as Error).message, cause);
	}
	const found = sums.bytes;
	const matches = expected?.length === found.length && found.every((byte, i) => byte === expected[i]);
	const empty = expected === undefined && sums.keys[Symbol.iterator]().next().done === true;
	if (!matches && !empty) throw damaged(folder, "records that do not belong together");
	return sums;
}

function openError(folder: string, error: unknown): Error {
	const cause = error instanceof Error ? (error.cause ?? error) : error;
	const { code, message } = cause as { readonly code?: string; readonly message?: string };
	if (code === "LEVEL_LOCKED") {
		return new ConfigError("PSGL_STORE_LOCKED", {
			what: `another process uses the device's store ${folder}`,
			got: message,
			remedy: "Stop that device first, or give this one a folder of its own",
			cause,
		});
	}
	if (code === "LEVEL_CORRUPTION") return damaged(folder, message, cause);
	return new ConfigError("PSGL_STORE_FOLDER", {
		what: `the device's store ${folder} cannot be opened`,
		got: message,
		remedy: "Name a folder that is there and may be written to",
		cause,
	});
}

function damaged(folder: string, got: string | undefined, cause?: unknown): DataError {
	return new DataError("PSGL_STORE_DAMAGED", {
		what: `the device's store ${folder} is damaged`,
		got,
		expected: "the records of its last write",
		remedy: "Remove the folder: the device then starts anew with the next round",
		cause,
	});
}
