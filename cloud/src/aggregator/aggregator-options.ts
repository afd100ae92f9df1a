import type { Clock, Runtime } from "@psgl/sdk";
import type { Artifact } from "@psgl/sdk/artifact";
import type { Broker } from "../broker/broker.js";
import type { RolloutStore } from "../rollout/rollout-store.js";
import type { TwinStore } from "../twins/twin-store.js";
import type { CheckpointStore } from "./checkpoint-store.js";
import type { EndReason, Traffic, Validation } from "./events.js";
import type { PartitionExchange } from "./partition-merge.js";
import type { AggregatorSettings } from "./settings.js";
import type { TrainedWeights } from "./trained-weights.js";

export interface AggregatorOptions {
	/** A joint artifact. Only its client half goes to devices. */
	readonly artifact: Artifact;
	/** Runs the server segment: `nodeRuntime` of `@psgl/sdk/runtime/node`. */
	readonly runtime: Runtime;
	/** The link to the devices, and the log of what they send. The aggregator does not close it. */
	readonly broker: Pick<Broker, "log" | "maxMessageBytes" | "send">;
	readonly settings?: AggregatorSettings | undefined;
	/** Written after every round; when it exists, training goes on from it. Default: none. */
	readonly checkpointFile?: string | undefined;
	/** Instead of `checkpointFile`, where checkpoints lie somewhere else. */
	readonly checkpoints?: CheckpointStore | undefined;
	/**
	 * Where staged roll-outs are kept. Only where the artifact is served and not trained (`rounds` 0); then `Aggregator.rollout` takes
	 * orders. Default: none.
	 */
	readonly rollouts?: RolloutStore | undefined;
	/** Serve the stable model to all while a roll-out's candidate cannot be had, instead of not starting. Default false. */
	readonly patientRollout?: boolean | undefined;
	/** The devices' digital twins. Default: none; devices are as they were started. */
	readonly twins?: TwinStore | undefined;
	/** Bytes of smashed data under way or waiting for their step; beyond that devices wait for credit. Default 256 MiB. */
	readonly intakeBytes?: number | undefined;
	/** Bytes of incomplete messages of all devices together; beyond that who holds the most gives one up. Default 256 MiB. */
	readonly partialBytes?: number | undefined;
	/** Threads of the server segment. Default 1. */
	readonly threads?: number | undefined;
	/** Only do again what the log tells, write nothing, and stop where it ends. Default false. */
	readonly replayOnly?: boolean | undefined;
	/** Gets the weights after each round, of a replay too, before the next round begins. Default: nobody. */
	readonly onWeights?: ((weights: RoundWeights) => Promise<void>) | undefined;
	/** Keep the whole log instead of what the oldest checkpoint needs. Default false. */
	readonly keepLog?: boolean | undefined;
	/** The other partitions of the run, with whose segments this one's are merged after each leg. Default: none. */
	readonly exchange?: PartitionExchange | undefined;
	readonly clock?: Clock | undefined;
	/** Aborting it is `stop`. */
	readonly signal?: AbortSignal | undefined;
}

/** What training goes on from after a round. */
export interface RoundWeights extends Pick<TrainedWeights, "client" | "server"> {
	readonly round: number;
}

/** What training ended with. */
export interface AggregatorResult {
	readonly reason: EndReason;
	/** Rounds finished. */
	readonly rounds: number;
	/** Round whose weights these are. */
	readonly bestRound: number;
	/** Of these weights, where it was measured in this process. */
	readonly validation: Validation | undefined;
	/** The joint artifact with the trained weights, one version on. */
	readonly artifact: Uint8Array;
	readonly counts: AggregatorCounts;
	readonly traffic: Traffic;
	/** From the first round's start. */
	readonly seconds: number;
}

export interface AggregatorCounts {
	/** Different training batches that came in. */
	readonly received: number;
	/** Of these, the ones that took effect on the weights. */
	readonly applied: number;
	/** Of these, the ones that were answered with a refusal. */
	readonly refused: number;
	/** Copies of batches; they had no effect. */
	readonly duplicates: number;
	/** Acknowledged batches neither applied nor refused. */
	readonly lost: number;
	/** Batches that took effect more than once. */
	readonly doubled: number;
	/** The most batches that waited for their step at a time. */
	readonly mostWaiting: number;
	/** Samples of the applied batches. */
	readonly samples: number;
}
