import { defaultOptimiser, type ModelDefinition } from "@psgl/models";
import { ConfigError } from "@psgl/sdk";
import type { LossSettings, OptimiserSettings } from "@psgl/sdk/artifact";
import { z } from "zod";
import { type OptionValues, option } from "./options/option.js";

const momentum = 0.9;

/** What is built into the graphs of training: loss, optimiser, clipping, accumulation, frozen parameters (docs/training.md). */
export const learningOptions = {
	loss: option(
		"KIND",
		"cross-entropy, focal or mean-squared-error of the class probabilities; binary-cross-entropy where several labels may apply to a sample (default: cross-entropy; psgl demo sees what the data need)",
		z.enum(["cross-entropy", "focal", "mean-squared-error", "binary-cross-entropy"]).optional(),
	),
	labelSmoothing: option(
		"SHARE",
		"with --loss cross-entropy: share of the target spread evenly over all classes",
		z.number().min(0).lt(1).default(0),
	),
	focalGamma: option(
		"GAMMA",
		"with --loss focal: how much less recognised samples count",
		z.number().min(0).max(10).default(2),
	),
	optimiser: option(
		"NAME",
		"adam, adamw (weight decay apart from the gradient), sgd or nesterov (both with momentum 0.9)",
		z.enum(["adam", "adamw", "sgd", "nesterov"]).default("adam"),
	),
	weightDecay: option("STRENGTH", "pull of all trained parameters towards 0", z.number().min(0).max(10).default(0)),
	clipNorm: option(
		"LIMIT",
		"largest Euclidean norm of a gradient, separately for client segment, local head and server segment (default: none)",
		z.number().positive().optional(),
	),
	clipValue: option(
		"LIMIT",
		"largest magnitude of each value of a gradient (default: none)",
		z.number().positive().optional(),
	),
	accumulate: option(
		"BATCHES",
		"batches whose mean gradient makes one optimiser step",
		z.int().min(1).max(1024).default(1),
	),
	freeze: option(
		"NAMES",
		"parameters that keep their values, with commas between and * for any text, such as client.conv1.* (default: none)",
		z.string().min(1).optional(),
	),
} as const;

/** What the options set in a definition. @throws ConfigError `PSGL_OPTION_CONFLICT`. */
export function learningSettings(
	options: OptionValues<typeof learningOptions>,
): Pick<ModelDefinition, "loss" | "optimiser" | "gradientClipping" | "accumulationSteps" | "frozen"> {
	const { accumulate, freeze } = options;
	return {
		loss: lossSettings(options),
		optimiser: optimiserSettings(options),
		gradientClipping: clippingSettings(options),
		accumulationSteps: accumulate,
		frozen: freeze?.split(",").map((pattern) => pattern.trim()) ?? [],
	};
}

function clippingSettings({
	clipNorm,
	clipValue,
}: OptionValues<typeof learningOptions>): ModelDefinition["gradientClipping"] {
	if (clipNorm !== undefined && clipValue !== undefined) {
		throw new ConfigError("PSGL_OPTION_CONFLICT", {
			what: "a gradient is clipped by its norm or by its values",
			got: "clipNorm together with clipValue",
			remedy: "Leave one of them away",
		});
	}
	if (clipNorm !== undefined) return { kind: "norm", limit: clipNorm };
	return clipValue === undefined ? null : { kind: "value", limit: clipValue };
}

function lossSettings(options: OptionValues<typeof learningOptions>): LossSettings {
	const { loss: kind = "cross-entropy", labelSmoothing, focalGamma } = options;
	switch (kind) {
		case "cross-entropy":
			return { kind, labelSmoothing };
		case "focal":
			return { kind, gamma: focalGamma };
		case "mean-squared-error":
		case "binary-cross-entropy":
			return { kind };
	}
}

function optimiserSettings({ optimiser, weightDecay }: OptionValues<typeof learningOptions>): OptimiserSettings {
	switch (optimiser) {
		case "adam":
			return { ...defaultOptimiser, weightDecay };
		case "adamw":
			return { ...defaultOptimiser, weightDecay, decoupledWeightDecay: true };
		case "sgd":
		case "nesterov":
			return {
				kind: "sgd",
				learningRate: defaultOptimiser.learningRate,
				momentum,
				weightDecay,
				...(optimiser === "nesterov" && { nesterov: true }),
			};
	}
}
