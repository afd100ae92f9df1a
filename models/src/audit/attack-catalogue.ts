import type { AttackScene, Reconstruction } from "./attack-scene.js";
import { decoderAttack } from "./decoder-attack.js";
import { kernelRidgeDecoder } from "./kernel-ridge-decoder.js";
import { pathAttack } from "./path-attack.js";
import { whiteBoxInversion } from "./white-box-inversion.js";

/** What a reader of a report must know about an attack. */
export interface AttackDescription {
	readonly title: string;
	/** Who the attacker is, what it has and what it knows. */
	readonly threatModel: string;
}

export interface ReconstructionAttack extends AttackDescription {
	readonly run: Reconstruction;
}

const aggregator = "Whoever reads the smashed data: the aggregator itself, or somebody on the way.";
const ownSamples = "It has samples of the same kind, none of a victim, and the client half, as every device has it.";

/** Attacks that rebuild the sample from what the device sends at inference. */
export const reconstructionAttacks = {
	"kernel-ridge": {
		title: "kernel-ridge decoder",
		threatModel: `${aggregator} ${ownSamples} It runs them through the whole device, defence included, and fits a regression back to the sample in closed form.`,
		run: kernelRidgeDecoder,
	},
	decoder: {
		title: "adaptive decoder, trained for similarity",
		threatModel: `${aggregator} ${ownSamples} It knows the defence, runs its samples through the whole device, and trains a network back to the sample for the very measure it is judged by.`,
		run: (scene: AttackScene) => decoderAttack(scene, scene.pairs, "similarity"),
	},
	"decoder-mse": {
		title: "adaptive decoder, trained for squared error",
		threatModel: `${aggregator} ${ownSamples} As the adaptive decoder, with another aim in training.`,
		run: (scene: AttackScene) => decoderAttack(scene, scene.pairs, "squared-error"),
	},
	"decoder-clean": {
		title: "decoder trained on clean pairs",
		threatModel: `${aggregator} ${ownSamples} It does not know of the device's map: its pairs are of samples without it.`,
		run: async (scene: AttackScene) =>
			decoderAttack(
				scene,
				await scene.target.release(scene.samples, { withMap: false, signal: scene.signal }),
				"similarity",
			),
	},
	path: {
		title: "path attack on all releases",
		threatModel: `The aggregator, which is sent every training sample again in every round. ${ownSamples} It kept the weights of earlier rounds and fits the kernel-ridge decoder to all releases of a sample together, here with running statistics in place of a batch's. The undefended network has one release.`,
		run: pathAttack,
	},
	"white-box": {
		title: "white-box inversion",
		threatModel: `${aggregator} It has the client half and optimises a sample until its smashed data match; of its own samples it uses the mean, to start from, and a few to choose the strength of the smoothness prior.`,
		run: whiteBoxInversion,
	},
} as const satisfies Readonly<Record<string, ReconstructionAttack>>;

/** Attacks that learn something else than the sample itself. */
export const inferenceAttacks = {
	linkage: {
		title: "linkage",
		threatModel: `${aggregator} It has the client half and N candidate samples, one of which was sent, and says which.`,
	},
	"label-gradient": {
		title: "label from the gradient at the cut",
		threatModel:
			"Somebody who reads the gradients that go back to a device in training, and takes part as a device itself. The aggregator needs no such attack: it gets the labels.",
	},
	membership: {
		title: "membership by the loss",
		threatModel:
			"Whoever gets the probabilities of a decision on a sample and knows its class: was the sample among those of training? The train part of the data is taken to be what the network was trained on.",
	},
	"distance-correlation": {
		title: "distance correlation",
		threatModel: "No attack but a measure: how much smashed data depend on the samples, 0 for not at all.",
	},
} as const satisfies Readonly<Record<string, AttackDescription>>;

export type ReconstructionName = keyof typeof reconstructionAttacks;
export type InferenceName = keyof typeof inferenceAttacks;
export type AuditAttackName = ReconstructionName | InferenceName;

export const auditAttackNames = [
	...Object.keys(reconstructionAttacks),
	...Object.keys(inferenceAttacks),
] as readonly AuditAttackName[];

export const isReconstruction = (name: AuditAttackName): name is ReconstructionName => name in reconstructionAttacks;
