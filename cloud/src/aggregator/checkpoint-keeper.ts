import { DataError, PsglError } from "@psgl/sdk";
import { cloudLimits } from "../limits.js";
import type { Log } from "../log/log.js";
import type { CheckpointStore } from "./checkpoint-store.js";
import { encodeState, type RunIdentity, type TrainingState } from "./training-state.js";

export interface CheckpointKeeperOptions {
	readonly log: Log;
	readonly run: RunIdentity;
	/** Keep the whole log instead of what the oldest checkpoint needs. */
	readonly keepLog: boolean;
}

/** Writes a run's checkpoints, and lets go of what no weights depend on any more in its log. */
export class CheckpointKeeper {
	readonly #options: CheckpointKeeperOptions;
	/** Places in the log of the checkpoints that are kept. */
	readonly #places: number[] = [];

	constructor(options: CheckpointKeeperOptions) {
		this.#options = options;
	}

	/**
	 * Writes the state, whole or not at all.
	 * @param position in the log, up to which the state is what it tells; or one before it, when only later rounds follow
	 * @throws DataError `PSGL_CHECKPOINT_WRITE`; ConfigError `PSGL_BLOB_FENCED`.
	 */
	async write(to: CheckpointStore, state: TrainingState, position: number): Promise<void> {
		const { log, run } = this.#options;
		try {
			await to.write(encodeState(state, run, { id: log.id, position: log.durable ? position : 0 }));
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

	/** A checkpoint that ends at `end` in the log is the newest one. The oldest that is kept needs what came after it. */
	wrote(end: number): void {
		const { log, keepLog } = this.#options;
		this.#places.push(end);
		if (this.#places.length > cloudLimits.checkpointsKept) this.#places.shift();
		const [oldest = 0] = this.#places;
		const full = this.#places.length === cloudLimits.checkpointsKept;
		if (log.durable && full && !keepLog) log.release(oldest);
	}

	/** The entry at `position` was read. A durable log is kept back to the last checkpoint, until training is over. */
	read(position: number, trained: boolean): void {
		const { log, keepLog } = this.#options;
		if (!log.durable || (trained && !keepLog)) log.release(position + 1);
	}
}
