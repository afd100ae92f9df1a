import type { AttackScene, Reconstruction } from "./attack-scene.js";
import { decoderAttack } from "./decoder-attack.js";
import { deepLeakage } from "./deep-leakage.js";
import { featureHijack } from "./feature-hijack.js";
import { invertingGradients } from "./inverting-gradients.js";
import { kernelRidgeDecoder } from "./kernel-ridge-decoder.js";
import { pathAttack } from "./path-attack.js";
import { plantedWeights } from "./planted-weights.js";
import { simulatedClient } from "./simulated-client.js";
import { unsplit } from "./unsplit.js";
import { whiteBoxInversion } from "./white-box-inversion.js";

/** What a reader of a report must know about an attack. */
export interface AttackDescription {
	readonly title: string;
	/** Who the attacker is, what it has and what it knows. */
	readonly threatModel: string;
}

export interface ReconstructionAttack extends AttackDescription {
	readonly run: Reconstruction;
	/** Made with the quick budget too. */
	readonly quick: boolean;
	/** Takes part as the aggregator's half does, which has to be there. */
	readonly needsServer?: boolean;
	/** Lives on the gradients of training. */
	readonly needsGradients?: boolean;
	/** The aggregator breaks the rules of training. What it gets from the undefended network is no anchor. */
	readonly active?: boolean;
}

const aggregator = "Whoever reads the smashed data: the aggregator itself, or somebody on the way.";
const gradients =
	"Somebody who has both halves and sees the gradient that a single sample makes in the client segment, but not the smashed data. psgl sends no such gradient: a device sends weights after several optimiser steps on whole batches, which tell less.";
const ownSamples = "It has samples of the same kind, none of a victim, and the client half, as every device has it.";

/** Attacks that rebuild the sample from what the device sends at inference. */
export const reconstructionAttacks = {
	"kernel-ridge": {
		title: "kernel-ridge decoder",
		threatModel: `${aggregator} ${ownSamples} It runs them through the whole device, defence included, and fits a regression back to the sample in closed form.`,
		run: kernelRidgeDecoder,
		quick: true,
	},
	decoder: {
		title: "adaptive decoder, trained for similarity",
		threatModel: `${aggregator} ${ownSamples} It knows the defence, runs its samples through the whole device, and trains a network back to the sample for the very measure it is judged by.`,
		run: (scene: AttackScene) => decoderAttack(scene, { pairs: scene.pairs, loss: "similarity" }),
		quick: true,
	},
	"decoder-large": {
		title: "large adaptive decoder",
		threatModel: `${aggregator} ${ownSamples} As the adaptive decoder, with a network of about five times the weights.`,
		run: (scene: AttackScene) => decoderAttack(scene, { pairs: scene.pairs, loss: "similarity", size: "large" }),
		quick: false,
	},
	"decoder-mse": {
		title: "adaptive decoder, trained for squared error",
		threatModel: `${aggregator} ${ownSamples} As the adaptive decoder, with another aim in training.`,
		run: (scene: AttackScene) => decoderAttack(scene, { pairs: scene.pairs, loss: "squared-error" }),
		quick: false,
	},
	"decoder-clean": {
		title: "decoder trained on clean pairs",
		threatModel: `${aggregator} ${ownSamples} It does not know of the device's map: its pairs are of samples without it.`,
		run: async (scene: AttackScene) =>
			decoderAttack(scene, {
				pairs: await scene.target.release(scene.samples, { withMap: false, signal: scene.signal }),
				loss: "similarity",
			}),
		quick: false,
	},
	path: {
		title: "path attack on all releases",
		threatModel: `The aggregator, which is sent every training sample again in every round. ${ownSamples} It kept the weights of earlier rounds, runs its samples through them as batches of training, and fits the kernel-ridge decoder to all releases of a sample together. The undefended network has one release.`,
		run: pathAttack,
		quick: true,
	},
	"white-box": {
		title: "white-box inversion",
		threatModel: `${aggregator} It has the client half and optimises a sample until its smashed data match; of its own samples it uses the mean, to start from, and a few to choose the strength of the smoothness prior.`,
		run: whiteBoxInversion,
		quick: true,
	},
	"simulated-client": {
		title: "simulated client (SDAR)",
		threatModel:
			"The aggregator, which plays by the rules and has auxiliary samples with their classes, and the server segment, but not the client segment's weights. It trains a client segment of its own that the server segment can use and a discriminator cannot tell from the victims', and a decoder on that.",
		run: simulatedClient,
		quick: false,
		needsServer: true,
	},
	"feature-hijack": {
		title: "feature-space hijacking (FSHA)",
		threatModel:
			"A malicious aggregator, with samples of its own. In place of the gradients at the cut it sends a device such that make its smashed data look like those of an autoencoder of the aggregator's, which takes them back to samples. The device trains on the victims.",
		run: featureHijack,
		quick: false,
		needsGradients: true,
		active: true,
	},
	"planted-weights": {
		title: "planted weights",
		threatModel:
			"A malicious aggregator, with samples of its own. It hands out the weights of the client segment in every round, and hands out those of an autoencoder's first half.",
		run: plantedWeights,
		quick: false,
		active: true,
	},
	unsplit: {
		title: "UnSplit",
		threatModel: `${aggregator} It knows the architecture of the client half and not its weights, and has no samples but their mean: it looks for samples and weights of a clone in turn until the clone makes the smashed data of a batch.`,
		run: unsplit,
		quick: false,
	},
	"deep-leakage": {
		title: "deep leakage from gradients",
		threatModel: `${gradients} From noise on, it optimises a sample until its gradient is the one it saw.`,
		run: deepLeakage,
		quick: false,
		needsGradients: true,
		needsServer: true,
	},
	"inverting-gradients": {
		title: "inverting gradients",
		threatModel: `${gradients} From the mean of its own samples on, it optimises a smooth sample until its gradient points where the one it saw does.`,
		run: invertingGradients,
		quick: false,
		needsGradients: true,
		needsServer: true,
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

/** What the quick budget makes; the others make all. */
export const quickAttackNames: readonly AuditAttackName[] = auditAttackNames.filter(
	(name) => !isReconstruction(name) || reconstructionAttacks[name].quick,
);

export function isReconstruction(name: AuditAttackName): name is ReconstructionName {
	return name in reconstructionAttacks;
}
