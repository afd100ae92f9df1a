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
	/** The batches a device is to make; in a validation it sends all it has. */
	readonly batches?: { readonly pass: number; readonly first: number; readonly steps: number } | undefined;
	readonly task: RoundMessage["task"];
	readonly learningRate: number;
	/** Of a local round. */
	readonly shieldWeight?: number | undefined;
	readonly weights: VersionedWeights;
	/** Batches the device may send at first; undefined where it does not ask. */
	readonly credit?: number | undefined;
	/** Send the weights even to a device that should hold them. */
	readonly withWeights: boolean;
}

/** Tells a device to start a round; the weights go along unless it holds them. */
export function sendRound(context: AggregatorContext, device: RosterDevice, start: RoundStart): void {
	const { epoch, task, batches, learningRate, shieldWeight, weights, withWeights, credit } = start;
	const { model, client } = weights;
	const { manifest, downlink } = context;
	downlink.send({
		type: "round",
		device: device.id,
		epoch,
		task,
		steps: 0,
		...batches,
		learningRate,
		headLearningRate: learningRate * manifest.headLearningRateFactor,
		shieldWeight,
		credit,
		model,
		...((withWeights || device.holds !== model) && { tensors: client }),
	});
	device.holds = task === "validate" || task === "code" ? model : undefined;
}
