import type { CodeSettings, OptimiserSettings, TailSettings } from "@psgl/sdk/artifact";
import type { SplitNetwork } from "../zoo/split-network.js";
import type { ModelDefinition } from "./model-definition.js";

/**
 * `none`: vanilla split learning, the same network without map, recovery and fusion.
 * `paper`: the method exactly as Khowaja et al. give it.
 * `robust`: what measured best (docs/results.md): robust training on the device and masked recovery.
 * `shield`: a cut of a few bits, sent once (docs/privacy.md): what hides samples best.
 */
export type PrivacyMode = "none" | "paper" | "robust" | "shield";

export const privacyModes: readonly PrivacyMode[] = ["robust", "paper", "shield", "none"];

export const defaultOptimiser = {
	kind: "adam",
	learningRate: 1e-3,
	beta1: 0.9,
	beta2: 0.999,
	epsilon: 1e-8,
	weightDecay: 0,
} as const satisfies OptimiserSettings;

/** Fewer training pictures than this are few. */
const fewPictures = 1000;

/**
 * Bound of the robust perturbation. A network that learns a small set by heart loses robustness as it does (Rice, Wong and Kolter,
 * ICML 2020), so few pictures get a larger one. Chosen on validation data (docs/results.md).
 */
function presetRobustBudget(network: SplitNetwork, trainingSamples: number): number {
	if (network.spatialAxes === 1) return 1 / 255;
	return (trainingSamples < fewPictures ? 3 : 2) / 255;
}

/**
 * Bound of what the shield's training changes samples by. Without it a code is easier to turn over than a decision without a code; this is the
 * smallest tried with which manipulated pictures are withstood at least as well as without the shield. Chosen on validation data (docs/privacy.md).
 */
const shieldRobustBudget = 0.5 / 255;

/**
 * The definition for a privacy mode; change single settings by spreading it.
 * @param trainingSamples that all devices have together, where that is known; many otherwise
 */
export function presetDefinition(
	mode: PrivacyMode,
	network: SplitNetwork,
	inputShape: readonly number[],
	classes: readonly string[],
	trainingSamples = Number.POSITIVE_INFINITY,
): ModelDefinition {
	const common = {
		network,
		inputShape,
		classes,
		// The first layer of a file takes the channels it was trained with: the map is added in the input's own shape.
		packing: network.imported === undefined ? "space-to-depth" : "none",
		optimiser: defaultOptimiser,
		headLearningRateFactor: 10,
		loss: { kind: "cross-entropy", labelSmoothing: 0 },
		gradientClipping: null,
		accumulationSteps: 1,
		frozen: [],
		code: null,
		tail: null,
		disclosure: { release: "every-epoch", budgetBits: null },
		augmentation: null,
	} as const;
	const signal = network.spatialAxes === 1;
	// A heart beat is told by differences a map of half the range would bury (chosen on validation data).
	const published = { form: "probability", norm: "linf", budget: signal ? 0.1 : 0.5 } as const;
	switch (mode) {
		case "none":
			return {
				...common,
				streams: ["A"],
				cutGradient: "fused",
				map: null,
				robustBudget: 0,
				recovery: { kind: "none" },
			};
		case "paper":
			return {
				...common,
				streams: ["A", "R", "F"],
				cutGradient: "fused",
				map: published,
				robustBudget: 0,
				recovery: { kind: "svt", part: "low-rank", threshold: 0.2, absolute: false },
			};
		case "robust":
			return {
				...common,
				streams: ["A", "R", "F"],
				// A gradient of all streams makes all of them robust (docs/results.md); the paper sends the fused one's.
				cutGradient: "mean",
				// A smaller map costs less accuracy, and robust training withstands more with it (docs/results.md).
				map: { ...published, budget: 0.1 },
				robustBudget: presetRobustBudget(network, trainingSamples),
				recovery: { kind: "masked", rank: 96 },
			};
		case "shield": {
			const code = presetCode(classes.length);
			return {
				...common,
				streams: ["A"],
				cutGradient: "fused",
				map: null,
				robustBudget: shieldRobustBudget,
				recovery: { kind: "none" },
				headLearningRateFactor: 1,
				code,
				disclosure: { release: "once", budgetBits: recordBits(code, classes.length) },
				augmentation: null,
			};
		}
	}
}

/** Numbers that go to and fro for each stream where labels stay on the devices. */
export const presetTail = { features: 32 } as const satisfies TailSettings;

/**
 * Numbers and bits of the code for so many classes, chosen on validation data (docs/privacy.md). Where there are several codes a class to choose
 * from, one bit a number does.
 */
export function presetCode(classes: number): CodeSettings {
	if (classes === 2) return { numbers: 1, bits: 4 };
	return { numbers: classes, bits: classes < 5 ? 2 : 1 };
}

/** Bits that so many codings of a record and its label disclose at most. */
export function recordBits({ numbers, bits }: CodeSettings, classes: number, codings = 1): number {
	return codings * numbers * bits + Math.log2(classes);
}
