import type { ClientWeights, CodeTensor, LabelTensor, WireDType, WireTensor } from "./tensors.js";

/** Fields every message has. */
interface Addressed {
	/** Device the message comes from or goes to: the same id as in the topic. */
	readonly device: string;
}

/** First message of a device after every connect: who it is and what it can do. */
export interface HelloMessage extends Addressed {
	readonly type: "hello";
	/** Random number drawn when the device's process started: another one means the device has forgotten its state. */
	readonly session: number;
	/** Protocol versions the device speaks. */
	readonly protocols: readonly number[];
	/** Labelled samples the device holds. A device with `train: 0` takes no part in training rounds. */
	readonly samples: { readonly train: number; readonly validation: number };
	/** Number of classes the device's labels have; 0 when it holds no labels. */
	readonly classes: number;
	/** Shape of one input, [C,H,W] or [C,L]; [] when the device holds no data yet. */
	readonly inputShape: readonly number[];
	/** Element types the device can encode smashed data in and decode gradients from. */
	readonly dtypes: readonly WireDType[];
	/** Longest MQTT payload the device accepts, bytes. */
	readonly maxMessageBytes: number;
	/** Software and version, for the operator's list. */
	readonly agent: string;
	/** SHA-256 digests (hex) of the client artifacts the device already has. */
	readonly artifacts: readonly string[];
	/** Batches of a round the device can have in flight; absent: 1. */
	readonly window?: number | undefined;
	/** It can read bodies that are deflated (RFC 1951), and make them. */
	readonly deflate?: true | undefined;
	/** Releases in the device's disclosure ledger; absent when it keeps none over restarts. */
	readonly releases?: number | undefined;
}

/** One training batch: smashed data and labels. Answered by `gradient` or `refused`. */
export interface BatchMessage extends Addressed {
	readonly type: "batch";
	readonly epoch: number;
	/** Place of the batch in the round, from 0. (device, epoch, seq) takes effect exactly once. */
	readonly seq: number;
	/** Version of the weights the round started from. */
	readonly model: number;
	readonly tensors: {
		/** [B,Cs,Hs,Ws] or [B,Cs,Ls]; [B,k] of a code. */
		readonly smashed: WireTensor | CodeTensor;
		/** [B], or [B,K] where several labels may apply to a sample. */
		readonly labels: LabelTensor;
	};
}

/** One validation batch. Answered by `received` or `refused`. */
export interface EvaluateMessage extends Addressed {
	readonly type: "evaluate";
	readonly epoch: number;
	readonly seq: number;
	readonly model: number;
	/** True on the device's last validation batch of the round. */
	readonly last: boolean;
	/** Absent when the device may release none of the batch. */
	readonly tensors?: { readonly smashed: WireTensor | CodeTensor; readonly labels: LabelTensor } | undefined;
}

/** Codes of some of the device's samples, for the aggregator to keep and to train on. Answered by `received` or `refused`. */
export interface CodesMessage extends Addressed {
	readonly type: "codes";
	readonly epoch: number;
	readonly seq: number;
	/** Version of the weights that the round names. */
	readonly model: number;
	/** What the samples are for. */
	readonly part: "train" | "validation";
	/** True on the device's last message of the round. */
	readonly last: boolean;
	/** Absent when the device has nothing it may release. */
	readonly tensors?: { readonly smashed: CodeTensor; readonly labels: LabelTensor } | undefined;
}

/**
 * Smashed data of a batch whose labels stay on the device: of training, or of validation. Answered by `features` or `refused`.
 * Since version 3.
 */
export interface ForwardMessage extends Addressed {
	readonly type: "forward";
	readonly task: "train" | "validate";
	readonly epoch: number;
	/** Place of the batch in the round, from 0. Of training, (device, epoch, seq) takes effect exactly once. */
	readonly seq: number;
	/** Version of the weights the round started from. */
	readonly model: number;
	readonly tensors: {
		/** [B,Cs,Hs,Ws] or [B,Cs,Ls] */
		readonly smashed: WireTensor;
	};
}

/** What the device's tail makes of the features of a training batch. Answered by `gradient` or `refused`. Since version 3. */
export interface BackwardMessage extends Addressed {
	readonly type: "backward";
	readonly epoch: number;
	readonly seq: number;
	readonly model: number;
	readonly tensors: {
		/** [B,streams,F] gradient of the mean loss of the device's own batch. */
		readonly featureGradient: WireTensor;
	};
}

/** The end of a validation whose labels stay on the device. Answered by `received` or `refused`. Since version 3. */
export interface FiguresMessage extends Addressed {
	readonly type: "figures";
	readonly epoch: number;
	readonly model: number;
	/** Validation samples the device decided on. */
	readonly samples: number;
	/** Of the decision, both rounded to hundredths; absent where the samples are too few to hide a label in. */
	readonly accuracy?: number | undefined;
	readonly loss?: number | undefined;
}

/** The device's client segment after its last step of a round. Answered by `received` or `refused`. */
export interface WeightsMessage extends Addressed {
	readonly type: "weights";
	readonly epoch: number;
	/** Version of the weights the round started from. */
	readonly model: number;
	/** Samples the device trained on in this round: its weight in the average. */
	readonly samples: number;
	/** Mean cross-entropy of the local head over the round; absent when no step was made. */
	readonly localLoss?: number | undefined;
	readonly tensors: ClientWeights;
}

/** A request for a decision. Answered by `scores` or `refused`. */
export interface InferMessage extends Addressed {
	readonly type: "infer";
	/** Number of the request, counted from 0 within a session. */
	readonly seq: number;
	readonly session: number;
	readonly model: number;
	/** SHA-256 (hex) of the client artifact the smashed data were made with. Since version 2. */
	readonly artifact?: string | undefined;
	/** True when the aggregator may answer with what arrived if chunks are missing (masked recovery). */
	readonly allowPartial: boolean;
	readonly tensors: { readonly smashed: WireTensor | CodeTensor };
}

/** What a device that lost its place waits for. */
export type Awaiting = "artifact" | "round" | "credit" | "features" | "gradient" | "received" | "scores";

/** Asks for an answer again, after a reconnect or when it did not come. */
export interface ResumeMessage extends Addressed {
	readonly type: "resume";
	readonly awaiting: Awaiting;
	/** Of the message whose answer is missing; 0 where there is none. */
	readonly epoch: number;
	readonly seq: number;
}

/** What became of a model on a device, for whoever rolls it out. No answer. Since version 2. */
export interface HealthMessage extends Addressed {
	readonly type: "health";
	/** SHA-256 (hex) of the client artifact. */
	readonly artifact: string;
	/**
	 * `trial`: it passed its checks and runs; the model before it is kept. `confirmed`: it has proved itself. `rejected`: it never
	 * ran. `rolled-back`: it ran, and the device went back to the model before it.
	 */
	readonly state: "trial" | "confirmed" | "rejected" | "rolled-back";
	/** Why: stable error code and one sentence. */
	readonly code?: string | undefined;
	readonly what?: string | undefined;
}

/** A value of a setting in a device's twin. */
export type TwinValue = number | boolean | string | readonly string[];

/** What an operator wants of a device, in place of all before. Applied between two batches, answered by `reported`. Since version 3. */
export interface DesiredMessage extends Addressed {
	readonly type: "desired";
	/** Counted from 1. */
	readonly version: number;
	readonly settings: Readonly<Record<string, TwinValue>>;
}

/** What is in force on a device. Sent after each `welcome`, and when a `desired` was applied. No answer. Since version 3. */
export interface ReportedMessage extends Addressed {
	readonly type: "reported";
	/** Of the `desired` that was applied last; 0 before the first. */
	readonly version: number;
	/** Settings of it in force. */
	readonly settings: Readonly<Record<string, TwinValue>>;
	/** Why settings of it are not, by their names. */
	readonly errors: Readonly<Record<string, string>>;
	readonly disclosure: DisclosureTotals;
}

/** The device leaves on purpose. No answer. */
export interface ByeMessage extends Addressed {
	readonly type: "bye";
	readonly reason: string;
}

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
	/** Training and validation batches, and their answers, travel deflated where that pays. */
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

/** Why a device does not train at the moment. */
export type PauseReason = "temperature" | "battery" | "hours";

/** Retained on the status topic; the offline one is the last will. */
export interface StatusMessage extends Addressed {
	readonly type: "status";
	readonly state: "online" | "offline";
	/** Milliseconds since the Unix epoch. In a last will: when the lost connection was opened. */
	readonly since: number;
	/** Absent on a device without a ledger, and in a last will. */
	readonly disclosure?: DisclosureTotals | undefined;
	/** Why the device does not train at the moment; absent while it may. */
	readonly paused?: readonly PauseReason[] | undefined;
}

/** What a device's disclosure ledger counts. */
export interface DisclosureTotals {
	/** Records of which anything was released. */
	readonly records: number;
	/** Of a record each. */
	readonly releases: number;
	/** Bits released in all. */
	readonly bits: number;
	/** Bits released of the record of which most were. */
	readonly mostBits: number;
	/** Sum of the epsilons of a record's randomised releases, of the record where it is largest; 0 without any. */
	readonly mostEpsilon: number;
	/** Bits that may be released of one record; absent: any number. */
	readonly budgetBits?: number | undefined;
	/** Times a record was left out because its budget did not allow a release. */
	readonly leftOut: number;
}

/** Published by a device on its `up` topic. */
export type DeviceMessage =
	| HelloMessage
	| BatchMessage
	| EvaluateMessage
	| CodesMessage
	| ForwardMessage
	| BackwardMessage
	| FiguresMessage
	| WeightsMessage
	| InferMessage
	| ResumeMessage
	| HealthMessage
	| ReportedMessage
	| ByeMessage;

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

export type DeviceMessageType = DeviceMessage["type"];

export type AggregatorMessageType = AggregatorMessage["type"];

export type Message = DeviceMessage | AggregatorMessage | StatusMessage;

export type MessageType = Message["type"];
