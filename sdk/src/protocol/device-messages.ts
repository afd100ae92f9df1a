import type { Addressed, DisclosureTotals, TwinValue } from "./message-fields.js";
import type { ClientWeights, CodeTensor, LabelTensor, WireDType, WireTensor } from "./tensors.js";

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

export type DeviceMessageType = DeviceMessage["type"];
