import type { DeviceMessageType } from "./device-messages.js";
import type { Addressed, TwinValue } from "./message-fields.js";
import type { ClientWeights, WireDType, WireTensor } from "./tensors.js";

/** How client segments are combined (docs/concepts.md). */
export type Strategy = "sequential" | "splitfed-v1" | "splitfed-v2";

/** Answer to `hello`: what was agreed. In a staged roll-out also by itself, when the device is to change its model. */
export interface WelcomeMessage extends Addressed {
	readonly type: "welcome";
	/** Protocol version both will speak. */
	readonly protocol: number;
	/**
	 * Number of the aggregator's memory: with another one it has forgotten what devices sent since its last checkpoint, and
	 * begins that round anew. Absent: it may have at every `welcome`.
	 */
	readonly session?: number | undefined;
	/** Current version of the weights. */
	readonly model: number;
	/** SHA-256 (hex) of the client artifact in use. Unless `hello` listed it, an `artifact` message follows. */
	readonly artifact: string;
	/** Longest MQTT payload either side may send from now on, bytes: the smaller of the two maxima. */
	readonly maxMessageBytes: number;
	/** Element type of smashed data. */
	readonly smashedDtype: WireDType;
	/** Element type of cut gradients. */
	readonly gradientDtype: WireDType;
	readonly strategy: Strategy;
	/** Samples per training batch; the last batch of an epoch may hold fewer. */
	readonly batchSize: number;
	/** Batches of a round the device may have in flight; absent: 1. */
	readonly window?: number | undefined;
	/** Batches, their answers and weights travel deflated where that pays. */
	readonly deflate?: true | undefined;
	/** Seed of the device's own randomness (shuffling), so that a run can be repeated. */
	readonly seed: number;
	/** Saliency-map budget: input of the client graphs. 0 turns the map off. */
	readonly mapBudget: number;
	/** Bound of the robust perturbation, a fraction of the input's range [0,1]. 0 turns it off. */
	readonly robustBudget: number;
	/** The most releases that the device has told of in a `hello`; absent when it told of none. */
	readonly releases?: number | undefined;
	/**
	 * The artifact is being rolled out to part of the fleet and may be taken back: until a `welcome` without it the device goes on
	 * taking the release it had before. Since version 2.
	 */
	readonly staged?: true | undefined;
}

/** The client half of an artifact, opaque to the protocol. */
export interface ArtifactMessage extends Addressed {
	readonly type: "artifact";
	readonly name: string;
	readonly version: string;
	/** SHA-256 (hex) of `body`. The receiver checks it before it opens the artifact. */
	readonly digest: string;
	readonly body: Uint8Array;
}

/** Starts a round. */
export interface RoundMessage extends Addressed {
	readonly type: "round";
	readonly epoch: number;
	/**
	 * `train`: make `steps` steps, then send `weights`. `validate`: load the weights, send at most `steps` validation
	 * batches as `evaluate`. `local`: make `steps` steps with the local head alone, then send `weights`. `code`: code samples
	 * with these weights, once, and send them as `codes`.
	 */
	readonly task: "train" | "validate" | "local" | "code";
	/** Batches the device may send in this round; 0 means as many as its data gives. */
	readonly steps: number;
	/** Pass over the device's data, which decides the order of its samples. Absent: the round is a pass of its own. */
	readonly pass?: number | undefined;
	/** Batches of that pass that rounds before this one took. Absent: none. */
	readonly first?: number | undefined;
	readonly learningRate: number;
	readonly headLearningRate: number;
	/** As `credit.upTo`, for a start. Since version 2; absent: none yet. */
	readonly credit?: number | undefined;
	/** Weight of what hides samples in the loss of `local`, 0 to 1. Absent: 1. */
	readonly shieldWeight?: number | undefined;
	/** Version of the weights to start from. */
	readonly model: number;
	/** Absent when the device already holds version `model`. */
	readonly tensors?: ClientWeights | undefined;
}

/** Answer to `batch` and `backward`: dL_F/dS. */
export interface GradientMessage extends Addressed {
	readonly type: "gradient";
	readonly epoch: number;
	readonly seq: number;
	readonly model: number;
	/** Cross-entropy of each stream on this device's part of the step, in the order of the artifact's streams; none where the labels stay on the device. */
	readonly losses: readonly number[];
	/** As `credit.upTo`. Since version 2; absent: no more than before. */
	readonly credit?: number | undefined;
	readonly tensors: {
		/** Shape of the batch's smashed data. */
		readonly cutGradient: WireTensor;
	};
}

/**
 * Answer to `forward`, and to `infer` where labels stay on the device: what the streams make of smashed data. The device's
 * tail does the rest. Since version 3.
 */
export interface FeaturesMessage extends Addressed {
	readonly type: "features";
	readonly task: "train" | "validate" | "infer";
	/** Of the `forward`; 0 for `infer`. */
	readonly epoch: number;
	readonly seq: number;
	/** Of the `infer`. */
	readonly session?: number | undefined;
	/** Of `forward`: its own. Of `infer`: version of the weights that answered. */
	readonly model: number;
	/** Of `infer`: fraction of the smashed data that arrived. */
	readonly arrived?: number | undefined;
	readonly tensors: {
		/** [B,streams,F] */
		readonly features: WireTensor;
	};
}

/**
 * The aggregator has room for more of a device's batches. Since version 2: a device sends batch `seq` of a round only when
 * `seq < upTo`. Counted from the round's beginning, so that a copy, or one that comes late, changes nothing.
 */
export interface CreditMessage extends Addressed {
	readonly type: "credit";
	readonly epoch: number;
	/** Batches of the round the device may send in all. */
	readonly upTo: number;
}

/** Answer to `infer`. */
export interface ScoresMessage extends Addressed {
	readonly type: "scores";
	readonly seq: number;
	readonly session: number;
	readonly model: number;
	/** Names of the rows of `scores`, for instance ["A","R","F","fused"]; the last is the decision. */
	readonly streams: readonly string[];
	/** Fraction of the smashed data that arrived; below 1 masked recovery filled the rest. */
	readonly arrived: number;
	readonly tensors: {
		/** [B, streams, K] probabilities */
		readonly scores: WireTensor;
	};
}

/** Acknowledges `weights`, `evaluate`, `codes` or `figures`. */
export interface ReceivedMessage extends Addressed {
	readonly type: "received";
	readonly of: "weights" | "evaluate" | "codes" | "figures";
	readonly epoch: number;
	/** Of the `evaluate` or `codes` message; 0 for the others. */
	readonly seq: number;
}

/** What an operator wants of a device, in place of all before. Applied between two batches, answered by `reported`. Since version 3. */
export interface DesiredMessage extends Addressed {
	readonly type: "desired";
	/** Counted from 1. */
	readonly version: number;
	readonly settings: Readonly<Record<string, TwinValue>>;
}

/** A message was not accepted. */
export interface RefusedMessage extends Addressed {
	readonly type: "refused";
	/** Type of the refused message, where it could be read. */
	readonly of?: DeviceMessageType | undefined;
	/** Stable error code, see docs/troubleshooting.md. */
	readonly code: string;
	readonly what: string;
	readonly got?: string | undefined;
	readonly expected?: string | undefined;
	readonly remedy?: string | undefined;
	readonly epoch?: number | undefined;
	readonly seq?: number | undefined;
	/** True when sending the same message again can succeed. */
	readonly retry: boolean;
}

/** Training is over. The device may go on asking for decisions. */
export interface EndMessage extends Addressed {
	readonly type: "end";
	readonly reason: "finished" | "early-stop" | "stopped";
	/** Last epoch. */
	readonly epoch: number;
	readonly model: number;
	/** Final weights; absent when the device already holds version `model`. */
	readonly tensors?: ClientWeights | undefined;
}

/** Published by the aggregator on a device's `down` topic. */
export type AggregatorMessage =
	| WelcomeMessage
	| ArtifactMessage
	| RoundMessage
	| GradientMessage
	| FeaturesMessage
	| CreditMessage
	| ScoresMessage
	| ReceivedMessage
	| DesiredMessage
	| RefusedMessage
	| EndMessage;

export type AggregatorMessageType = AggregatorMessage["type"];
