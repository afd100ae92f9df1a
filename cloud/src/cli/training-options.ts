import { wireDTypes } from "@psgl/sdk/protocol";
import { z } from "zod";
import type { AggregatorSettings } from "../aggregator/settings.js";
import { type OptionValues, option } from "./options/option.js";

/** How the aggregator trains. */
export const trainingOptions = {
	strategy: option(
		"NAME",
		"splitfed-v2, splitfed-v1 or sequential (docs/concepts.md)",
		z.enum(["splitfed-v2", "splitfed-v1", "sequential"]).default("splitfed-v2"),
	),
	batchSize: option("N", "samples of a device's batch", z.int().min(2).max(4096).default(16)),
	groupSize: option(
		"N",
		"devices whose batches make one step of the server segment",
		z.int().min(1).max(1024).default(4),
	),
	learningRate: option(
		"RATE",
		"learning rate of both segments (default: the artifact's, 0.001)",
		z.number().positive().max(1000).optional(),
	),
	patience: option(
		"ROUNDS",
		"end training after this many rounds without a better validation (default: never)",
		z.int().min(1).optional(),
	),
	wire: option(
		"TYPE",
		"element type of smashed data and gradients on the wire: float32, float16 or int8",
		z.enum(wireDTypes).default("float16"),
	),
} as const;

/** The aggregator's settings from the options of a verb. */
export function aggregatorSettings(
	options: OptionValues<typeof trainingOptions> & { readonly rounds: number; readonly seed: number },
	minDevices: number,
): AggregatorSettings {
	const { strategy, rounds, batchSize, groupSize, learningRate, patience, wire, seed } = options;
	return {
		strategy,
		rounds,
		minDevices,
		batchSize,
		groupSize,
		learningRate,
		patience,
		smashedDtype: wire,
		gradientDtype: wire,
		seed,
	};
}
