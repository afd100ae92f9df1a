import type { RolloutDesk } from "../rollout/rollout.js";
import type { TwinStore } from "../twins/twin-store.js";
import type { DeviceFigures } from "./board/device-board.js";
import type { PartitionFigures, StorageFigures } from "./board/storage-figures.js";

/** A cloud at work, in this process or in others, as the operations page sees it and gives it orders. */
export interface RunningCloud {
	/** Rounds finished, in every partition. */
	readonly round: number;
	/** Version of the weights decisions are made with. */
	readonly model: number;
	/** Of training. */
	readonly settings: Readonly<Record<string, unknown>>;
	/** Staged roll-outs; undefined where models are trained. */
	readonly rollout: RolloutDesk | undefined;
	/** The devices' digital twins. */
	readonly twins: TwinStore;
	/** Parts of the run, each with an owner of its own; none where the run is one process. */
	readonly partitions: readonly PartitionFigures[];
	/** Every device, by id. */
	devices(): readonly DeviceFigures[];
	/** Ends training after the step under way. @throws ApiError `PSGL_API_CONFLICT` when a partition does not hear it. */
	stop(): Promise<void>;
	storage(): Promise<StorageFigures>;
	/**
	 * Writes the state after the last finished round; returns that round.
	 * @throws ApiError `PSGL_API_CONFLICT` where nothing is trained, or a partition does not hear it; DataError `PSGL_CHECKPOINT_WRITE`.
	 */
	checkpoint(): Promise<number>;
}
