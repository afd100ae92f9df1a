import { DataError, PsglError } from "@psgl/sdk";
import { cloudLimits } from "../limits.js";
import type { Log } from "../log/log.js";
import type { CheckpointStore } from "./checkpoint-store.js";
import { encodeState, type RunIdentity, type TrainingState } from "./training-state.js";

export interface CheckpointKeeperOptions {
	readonly log: Log;
	readonly run: RunIdentity;
	/** Where checkpoints go after each round; undefined where none are written. */
	readonly store: CheckpointStore | undefined;
	/** Position in the log from which a restart with the state at hand reads on. */
	readonly place: number;
	/** Keep the whole log instead of what the oldest checkpoint needs. */
	readonly keepLog: boolean;
}

/** What became of a round's checkpoint: where it is, why it could not be written the first time, or nothing to tell. */
export type CheckpointOutcome = { readonly file: string } | DataError | "none";

/** Writes a run's checkpoints, and lets go of what no weights depend on any more in its log. */
export class CheckpointKeeper {
	readonly #options: CheckpointKeeperOptions;
	/** Places in the log of the checkpoints that are kept. */
	readonly #places: number[] = [];
	#place: number;
	#failed = false;

	constructor(options: CheckpointKeeperOptions) {
		this.#options = options;
		this.#place = options.place;
	}

	/**
	 * Writes the state after the last finished round, whole or not at all.
	 * @throws DataError `PSGL_CHECKPOINT_WRITE`; ConfigError `PSGL_BLOB_FENCED`.
	 */
	async write(to: CheckpointStore, state: TrainingState): Promise<void> {
		const { log, run } = this.#options;
		// Not the log's end of now: what the round under way has written down must be read again.
		const position = log.durable ? this.#place : 0;
		try {
			await to.write(encodeState(state, run, { id: log.id, position }));
		} catch (cause) {
			if (cause instanceof PsglError) throw cause;
			throw new DataError("PSGL_CHECKPOINT_WRITE", {
				what: `cannot write the checkpoint ${to.name}`,
				got: (cause as Error).message,
				remedy: "Check the folder's rights and free space",
				cause,
			});
		}
	}

	/**
	 * A round was finished just now: writes its state where checkpoints are kept. Where it cannot be written, the log has all that it would have
	 * shortened, and is kept until one can.
	 * @throws as `write`, but for `PSGL_CHECKPOINT_WRITE`.
	 */
	async finished(state: TrainingState): Promise<CheckpointOutcome> {
		const { log, store } = this.#options;
		const place = log.end;
		this.#place = place;
		if (store === undefined) return "none";
		try {
			await this.write(store, state);
		} catch (error) {
			if (!(error instanceof DataError) || error.code !== "PSGL_CHECKPOINT_WRITE") throw error;
			const again = this.#failed;
			this.#failed = true;
			return again ? "none" : error;
		}
		this.#failed = false;
		this.#keep(place);
		return { file: store.name };
	}

	/** The entry at `position` was read. A durable log is kept back to the last checkpoint, until training is over. */
	read(position: number, trained: boolean): void {
		const { log, keepLog } = this.#options;
		if (!log.durable || (trained && !keepLog)) log.release(position + 1);
	}

	/** A checkpoint that ends at `end` in the log is the newest one. The oldest that is kept needs what came after it. */
	#keep(end: number): void {
		const { log, keepLog } = this.#options;
		this.#places.push(end);
		if (this.#places.length > cloudLimits.checkpointsKept) this.#places.shift();
		const [oldest = 0] = this.#places;
		const full = this.#places.length === cloudLimits.checkpointsKept;
		if (log.durable && full && !keepLog) log.release(oldest);
	}
}
