import type { LimitError, PsglError } from "../errors.js";
import type { LeftOut } from "../ledger/release-rules.js";
import type { TransportEvent } from "../ports/transport.js";
import type {
	Awaiting,
	EndMessage,
	PauseReason,
	RefusedMessage,
	RoundMessage,
	Strategy,
	TwinValue,
	WireDType,
} from "../protocol/index.js";

/** What happens on a device while it trains, in the order in which it happens. */
export type DeviceEvent =
	/** The link to the broker: `online`, `offline`, `retry`, `handler-failed`. */
	| TransportEvent
	/** The aggregator has answered; comes again after every reconnect. */
	| {
			readonly type: "welcome";
			/** Current version of the weights. */
			readonly model: number;
			readonly strategy: Strategy;
			/** Samples per training batch. */
			readonly batchSize: number;
			/** Element type in which smashed data travel. */
			readonly smashedDtype: WireDType;
			/** Element type in which gradients travel. */
			readonly gradientDtype: WireDType;
			/** Longest MQTT payload, bytes. */
			readonly maxMessageBytes: number;
	  }
	/** The client segment is ready to run. */
	| {
			readonly type: "artifact";
			readonly name: string;
			readonly version: number;
			/** SHA-256 (hex) of the artifact's file. */
			readonly digest: string;
	  }
	/** The device goes on in a round it was stopped in. */
	| {
			readonly type: "restored";
			readonly epoch: number;
			readonly task: RoundMessage["task"];
			/** Batches that had their answer before. */
			readonly seq: number;
	  }
	/** A round starts, or goes on. */
	| {
			readonly type: "round";
			readonly epoch: number;
			readonly task: RoundMessage["task"];
			/** Batches the device will send. */
			readonly steps: number;
			/** Pass over the device's data they are from, how many of its batches came before, and how many it has. */
			readonly pass: number;
			readonly first: number;
			readonly passSteps: number;
			readonly learningRate: number;
	  }
	/** The device's budget does not let it train at the moment; comes again when the reasons change. It decides all the same. */
	| {
			readonly type: "paused";
			readonly reasons: readonly PauseReason[];
			/** `PSGL_STORE_WRITE`, where `storage` is among the reasons: the device goes on when there is room again. */
			readonly error?: PsglError | undefined;
	  }
	/** What the device's operator wants of it was applied, as far as it can be: why the rest is not, by the settings' names. */
	| {
			readonly type: "configured";
			readonly version: number;
			readonly settings: Readonly<Record<string, TwinValue>>;
			readonly errors: Readonly<Record<string, string>>;
	  }
	/** It may train again. */
	| { readonly type: "resumed" }
	/** Only so many samples of each batch of the round fit the memory the device may take; the others wait for another pass. */
	| { readonly type: "batch-shrunk"; readonly epoch: number; readonly samples: number; readonly batchSize: number }
	/** The aggregator has no room for the next batch yet: it is slower than its devices together. */
	| { readonly type: "waiting-for-credit"; readonly epoch: number; readonly seq: number }
	/** One training step is complete. */
	| {
			readonly type: "step";
			readonly epoch: number;
			readonly seq: number;
			/** Batches of this round. */
			readonly steps: number;
			readonly samples: number;
			/** Cross-entropy (binary where several labels may apply) of each stream at the aggregator, by the stream's name; none in a local round. */
			readonly losses: Readonly<Record<string, number>>;
			/** Cross-entropy of the local head. */
			readonly localLoss: number;
			/** Payload bytes sent so far. */
			readonly bytesUp: number;
			/** Payload bytes received so far. */
			readonly bytesDown: number;
	  }
	/** The aggregator has the weights of this device's part of a round, or of a leg of one. */
	| {
			readonly type: "trained";
			readonly epoch: number;
			/** Pass over the device's data the batches were from. */
			readonly pass: number;
			/** Whether they were the last ones of it. */
			readonly passDone: boolean;
			readonly steps: number;
			readonly samples: number;
			/** Mean over the round; undefined when no step was made. */
			readonly localLoss: number | undefined;
	  }
	/** The aggregator has the codes of this device's samples, as far as they may be released. */
	| { readonly type: "coded"; readonly epoch: number; readonly samples: number }
	/** The aggregator has this device's validation batches. */
	| {
			readonly type: "validated";
			readonly epoch: number;
			readonly samples: number;
			/** Share of them, or of their labels where several may apply, that the local head alone got right. */
			readonly localAccuracy: number;
	  }
	/** An answer did not come, or could not be used, and is asked for again. */
	| {
			readonly type: "asked-again";
			readonly awaiting: Awaiting;
			readonly epoch: number;
			readonly seq: number;
			/** True when the whole message was sent again, false when only its answer was asked for. */
			readonly resent: boolean;
	  }
	/** The disclosure ledger did not allow a release of some records of a batch; the others went without them. */
	| {
			readonly type: "left-out";
			readonly epoch: number;
			readonly task: RoundMessage["task"];
			/** How many, by reason. */
			readonly records: Readonly<Partial<Record<LeftOut, number>>>;
			/** `PSGL_DISCLOSURE_BUDGET`. */
			readonly error: LimitError;
	  }
	/**
	 * The gradients of the last batches have nothing to do with the labels (docs/privacy.md): whoever sends them may be turning
	 * the client segment into one that samples can be rebuilt from. Comes once, when it begins.
	 */
	| { readonly type: "suspicious-gradients"; readonly epoch: number; readonly seq: number; readonly separation: number }
	/** A message from the aggregator that the device cannot use: damaged, of the wrong shape, NaN. */
	| { readonly type: "rejected"; readonly error: PsglError }
	/** A message of this device that the aggregator did not accept. */
	| { readonly type: "refused"; readonly refusal: RefusedMessage }
	/** Training is over. */
	| {
			readonly type: "end";
			readonly reason: EndMessage["reason"];
			readonly epoch: number;
			readonly model: number;
	  };
