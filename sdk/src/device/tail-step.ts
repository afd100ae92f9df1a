import type { AggregatorMessage, FeaturesMessage } from "../protocol/index.js";
import type { Tensor } from "../tensor.js";
import type { ClientModel } from "./client-model.js";
import type { DeviceEvent } from "./device-event.js";
import { requireFeatures, tailGradient } from "./device-tail.js";
import { type AwaitedAnswer, awaitAnswer, exchange, type Training, type Unanswered } from "./exchange.js";
import { decodeReal } from "./wire-codec.js";

/** What came back for a batch. */
export interface BatchAnswer {
	/** Of each stream. */
	readonly losses: readonly number[];
	/** Shape of the smashed data. */
	readonly cutGradient: Tensor<"float32">;
	/** [B,streams,F]; only where the device has a tail. */
	readonly features?: Tensor<"float32">;
}

/** A batch whose `forward` message is in the outbox. */
export interface TailBatch extends Pick<AwaitedAnswer<unknown>, "entry" | "sent" | "part"> {
	readonly seq: number;
	/** [B,Cs,...] of its smashed data. */
	readonly shape: readonly number[];
	/** [B] or [B,K] */
	readonly labels: Tensor<"int64">;
}

/**
 * The two exchanges of a step whose labels stay on the device: smashed data for features, then the gradient at the features for that
 * at the cut. Both messages stay in the outbox until the step is done: after a crash both go out again as they were.
 */
export async function* tailStep(
	training: Training,
	model: ClientModel,
	{ entry, sent, part, seq, shape, labels }: TailBatch,
): AsyncGenerator<DeviceEvent, BatchAnswer | Unanswered> {
	const { epoch, model: version } = part.round;
	const identity = { device: training.id, epoch, seq, model: version } as const;
	const count = shape[0] as number;
	const features = yield* awaitAnswer(training, {
		entry,
		sent,
		awaiting: "features",
		part,
		answer: async (m) => (isFeatures(m, "train", epoch, seq) ? requireFeatures(model, m, count) : undefined),
	});
	if (typeof features === "string") return features;
	const { losses, featureGradient } = await tailGradient(model, features, labels);
	const cutGradient = yield* exchange(training, {
		message: { type: "backward", ...identity, tensors: { featureGradient } },
		awaiting: "gradient",
		part,
		answer: async (m) =>
			m.type === "gradient" && m.epoch === epoch && m.seq === seq
				? decodeReal(model.segment, m.tensors.cutGradient, shape, "gradient")
				: undefined,
	});
	return typeof cutGradient === "string" ? cutGradient : { losses, cutGradient, features };
}

/** Features of other batches, delivered again or late, are none of this one's. */
export function isFeatures(
	message: AggregatorMessage,
	task: FeaturesMessage["task"],
	epoch: number,
	seq: number,
): message is FeaturesMessage {
	return message.type === "features" && message.task === task && message.epoch === epoch && message.seq === seq;
}
