import { ConfigError } from "@psgl/sdk";
import { protocolLimits, wireDTypes } from "@psgl/sdk/protocol";
import type { Dataset } from "@psgl/sdk/sources";
import { z } from "zod";
import { balancedClassWeights } from "../aggregator/balanced-class-weights.js";
import { averagingMethods } from "../aggregator/robust-averaging.js";
import type { AggregatorSettings } from "../aggregator/settings.js";
import { type OptionValues, option, toggle } from "./options/option.js";
import { scheduleFrom, scheduleOptions } from "./schedule-options.js";

/** Samples of a server step: enough for stable statistics, few enough for many steps a round. */
const samplesPerServerStep = 64;
export const defaultBatchSize = 16;

/** The option for the samples of a batch; `preset` says what it is when left out. */
export function batchSizeOption(preset: string) {
	return option("N", `samples of a device's batch (default: ${preset})`, z.int().min(2).max(4096).optional());
}

/** How the aggregator trains. */
export const trainingOptions = {
	strategy: option(
		"NAME",
		"splitfed-v2, splitfed-v1 or sequential (docs/concepts.md)",
		z.enum(["splitfed-v2", "splitfed-v1", "sequential"]).default("splitfed-v2"),
	),
	batchSize: batchSizeOption(String(defaultBatchSize)),
	groupSize: option(
		"N",
		"devices whose batches make one step of the server segment (default: as many as make 64 samples)",
		z.int().min(1).max(1024).optional(),
	),
	averageEvery: option(
		"STEPS",
		"batches of a device after which client segments are combined; 0: at the end of each round only (default: 4; 0 where devices learn by themselves, as with privacy shield)",
		z.int().min(0).max(1_000_000).optional(),
	),
	averaging: option(
		"NAME",
		"how client segments become one: mean, or, where devices may be malicious, trimmed-mean, median or krum (docs/security.md)",
		z.enum(averagingMethods).default("mean"),
	),
	outlierGuard: toggle(
		"leave out smashed data and client segments that are far larger than the other devices', or point away from them",
	),
	learningRate: option(
		"RATE",
		"learning rate of both segments (default: the artifact's, 0.001)",
		z.number().positive().max(1000).optional(),
	),
	...scheduleOptions,
	classWeights: option(
		"WEIGHTS",
		"weight of each class in the loss, with commas between, or balanced: classes count alike however rare (psgl demo only); with binary-cross-entropy, how much a label that applies counts against one that does not (default: all 1)",
		z
			.string()
			.regex(/^(balanced|[\d.]+(,[\d.]+)+)$/, "balanced, or numbers with commas between, such as 1,4")
			.optional(),
	),
	patience: option(
		"ROUNDS",
		"end training after this many rounds without a better validation (default: never)",
		z.int().min(1).optional(),
	),
	window: option(
		"N",
		"batches a device may have in flight: hides a slow way to the broker, and makes its client segment up to N-1 steps stale",
		z.int().min(1).max(protocolLimits.maxWindow).default(1),
	),
	wire: option(
		"TYPE",
		"element type of smashed data and gradients on the wire: float32, float16, int8, or int4 for smashed data with int8 for gradients (default: the artifact's, else float16)",
		z.enum(wireDTypes).optional(),
	),
	deflate: {
		schema: z
			.boolean()
			.optional()
			.describe(
				"deflate batches and their answers where that pays: two fifths fewer bytes, for some time of the device's (default: with int8, int4 and codes)",
			),
		value: undefined,
		short: undefined,
	},
} as const;

/** The aggregator's settings from the options of a verb, and from what is trained on where that is known. */
export function aggregatorSettings(
	options: OptionValues<typeof trainingOptions> & { readonly rounds: number; readonly seed: number },
	minDevices: number,
	train?: Dataset,
): AggregatorSettings {
	const {
		strategy,
		rounds,
		batchSize = defaultBatchSize,
		averageEvery,
		learningRate,
		patience,
		window,
		wire,
		deflate,
		seed,
		averaging,
		outlierGuard,
	} = options;
	const weights = options.classWeights;
	const classWeights = weights === undefined ? undefined : classWeightsFrom(weights, train);
	const groupSize = options.groupSize ?? Math.ceil(samplesPerServerStep / batchSize);
	return {
		strategy,
		rounds,
		minDevices,
		batchSize,
		groupSize,
		averageEvery,
		averaging,
		outlierGuard,
		learningRate,
		schedule: scheduleFrom(options, rounds),
		classWeights,
		patience,
		window,
		smashedDtype: wire,
		deflate,
		seed,
	};
}

function classWeightsFrom(text: string, train: Dataset | undefined): readonly number[] {
	if (text !== "balanced") return text.split(",").map(Number);
	if (train !== undefined) return balancedClassWeights(train);
	throw new ConfigError("PSGL_OPTION", {
		what: "--class-weights cannot be used",
		got: "balanced, where the labels are on the devices only",
		expected: "numbers with commas between, one for each class",
	});
}
