import { zeros } from "@psgl/sdk";
import type { BatchMessage, GradientMessage, RoundMessage } from "@psgl/sdk/protocol";

/** A training round of the scripted aggregator, without weights: the device starts from its own. */
export function trainRound(device: string, changes: Partial<RoundMessage> = {}): RoundMessage {
	return {
		type: "round",
		device,
		epoch: 0,
		task: "train",
		steps: 0,
		learningRate: 0.01,
		headLearningRate: 0.1,
		model: 0,
		...changes,
	};
}

/** The answer to a batch: a gradient of ones, so that weights change. */
export function gradientFor(batch: BatchMessage, changes: Partial<GradientMessage> = {}): GradientMessage {
	const { device, epoch, seq, model, tensors } = batch;
	const cutGradient = zeros("float32", tensors.smashed.dims);
	cutGradient.data.fill(1);
	return { type: "gradient", device, epoch, seq, model, losses: [0.5], tensors: { cutGradient }, ...changes };
}
