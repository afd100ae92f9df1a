import type { ModelDefinition, TransitLoss } from "@psgl/models";
import type { Artifact } from "@psgl/sdk/artifact";

/** What the link and the ledger counted while a system was trained. */
export interface TrainingCounts {
	/** Training batches that took effect. */
	readonly steps: number;
	/** Samples in them, each counted as often as it was sent. */
	readonly samples: number;
	readonly seconds: number;
	/** Payload bytes from devices: batches, weights, validation, everything. */
	readonly bytesUp: number;
	readonly bytesDown: number;
	/** Batches devices were told had taken effect that the ledger does not hold. */
	readonly lost: number;
	/** Batches that took effect more than once. */
	readonly doubled: number;
}

/** One round as the aggregator saw it. */
export interface RoundRecord {
	readonly round: number;
	/** Mean cross-entropy of each stream over the round's steps. */
	readonly losses: Readonly<Record<string, number>>;
	/** Of the decision on the devices' validation samples. */
	readonly accuracy: number;
	readonly balancedAccuracy: number;
}

/** A system trained over MQTT. */
export interface TrainingRun {
	readonly definition: ModelDefinition;
	readonly artifact: Artifact;
	/** The file as a device maker would get it, both halves. */
	readonly artifactBytes: Uint8Array;
	readonly rounds: readonly RoundRecord[];
	readonly counts: TrainingCounts;
	/** Half of the channels lost on the way; undefined where there is no masked recovery. */
	readonly transit?: TransitLoss | undefined;
}
