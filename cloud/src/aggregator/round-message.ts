import type { ClientWeights, RoundMessage } from "@psgl/sdk/protocol";
import type { AggregatorContext } from "./context.js";
import type { RosterDevice } from "./roster.js";

/** Weights of the client segment and their version. */
export interface VersionedWeights {
	readonly model: number;
	readonly client: ClientWeights;
}

export interface RoundStart {
	readonly epoch: number;
	readonly task: RoundMessage["task"];
	readonly learningRate: number;
	readonly weights: VersionedWeights;
	/** Send the weights even to a device that should hold them. */
	readonly withWeights: boolean;
}

/** Tells a device to start a round; the weights go along unless it holds them. */
export function sendRound(context: AggregatorContext, device: RosterDevice, start: RoundStart): void {
	const { epoch, task, learningRate, weights, withWeights } = start;
	const { model, client } = weights;
	const { settings, manifest, downlink } = context;
	downlink.send({
		type: "round",
		device: device.id,
		epoch,
		task,
		steps: task === "train" ? settings.stepsPerRound : 0,
		learningRate,
		headLearningRate: learningRate * manifest.headLearningRateFactor,
		model,
		...((withWeights || device.holds !== model) && { tensors: client }),
	});
	device.holds = task === "validate" ? model : undefined;
}
