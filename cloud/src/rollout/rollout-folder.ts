import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "@psgl/sdk";
import { writeAtomically } from "../files/write-atomically.js";
import { decodeRolloutState, encodeRolloutState, type RolloutState } from "./rollout-state.js";

/** Files of a roll-out: its state and the candidate, each replaced whole or not at all. */
export class RolloutFolder {
	readonly #state: string;
	readonly #candidate: string;
	readonly #folder: string;
	/** The write that has not begun. */
	#queued: Promise<void> | undefined;
	#last: Promise<void> = Promise.resolve();

	constructor(folder: string) {
		this.#folder = folder;
		this.#state = join(folder, "rollout.json");
		this.#candidate = join(folder, "candidate.psgl");
	}

	/** Undefined where there was no roll-out. @throws DataError `PSGL_ROLLOUT_DAMAGED`, `PSGL_ROLLOUT_READ`. */
	async readState(): Promise<RolloutState | undefined> {
		const bytes = await read(this.#state);
		return bytes && decodeRolloutState(bytes.toString("utf8"), this.#state);
	}

	/** The joint artifact of the candidate. @throws DataError `PSGL_ROLLOUT_READ`. */
	async readCandidate(): Promise<Uint8Array> {
		const bytes = await read(this.#candidate);
		if (bytes !== undefined) return bytes;
		throw unreadable(this.#candidate, new Error("it is not there"));
	}

	/** @throws DataError `PSGL_ROLLOUT_WRITE`. */
	async writeCandidate(artifact: Uint8Array): Promise<void> {
		await this.#write(this.#candidate, artifact);
	}

	/**
	 * Resolves when the state as it is now, or later, is on the disk. Changes that come while it is written are one write.
	 * @param now the state when the write begins
	 * @throws DataError `PSGL_ROLLOUT_WRITE`.
	 */
	writeState(now: () => RolloutState): Promise<void> {
		this.#queued ??= this.#last.then(() => {
			this.#queued = undefined;
			return this.#write(this.#state, encodeRolloutState(now()));
		});
		const write = this.#queued;
		this.#last = write.catch(() => undefined);
		return write;
	}

	/** The roll-out is over: nothing of it is kept. @throws DataError `PSGL_ROLLOUT_WRITE`. */
	async clear(): Promise<void> {
		await guarded(this.#state, async () => {
			await rm(this.#state, { force: true });
			await rm(this.#candidate, { force: true });
		});
	}

	async #write(file: string, content: Uint8Array | string): Promise<void> {
		await guarded(file, async () => {
			await mkdir(this.#folder, { recursive: true });
			await writeAtomically(file, content);
		});
	}
}

async function guarded(file: string, change: () => Promise<void>): Promise<void> {
	try {
		await change();
	} catch (cause) {
		throw new DataError("PSGL_ROLLOUT_WRITE", {
			what: `the roll-out cannot be written to ${file}`,
			got: (cause as Error).message,
			remedy: "Make room, or the folder writable, and give the order again",
			cause,
		});
	}
}

async function read(file: string): Promise<Buffer | undefined> {
	try {
		return await readFile(file);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
		throw unreadable(file, error as Error);
	}
}

function unreadable(file: string, cause: Error): DataError {
	return new DataError("PSGL_ROLLOUT_READ", {
		what: `the roll-out's file ${file} cannot be read`,
		got: cause.message,
		remedy: "Put it back or make it readable; without its folder every device gets the model that is served",
		cause,
	});
}
