import { ConfigError } from "@psgl/sdk";
import type { Manifest } from "@psgl/sdk/artifact";
import { protocolLimits, type Strategy, type WireDType, wireDTypes } from "@psgl/sdk/protocol";
import { z } from "zod";
import { cloudLimits } from "../limits.js";
import { type LearningRateSchedule, learningRateSchedule } from "./learning-rate-schedule.js";
import { type AveragingMethod, averagingMethods } from "./robust-averaging.js";

const positive = z.int().positive();
const timeout = z.number().positive().max(86_400_000);

const schema = z.strictObject({
	strategy: z.enum(["sequential", "splitfed-v1", "splitfed-v2"]),
	rounds: z.int().min(0).max(1_000_000),
	minDevices: positive.max(cloudLimits.maxDevices),
	batchSize: positive.max(cloudLimits.maxBatchSize),
	averageEvery: z.int().min(0).max(1_000_000),
	groupSize: positive.max(1024),
	averaging: z.enum(averagingMethods),
	outlierGuard: z.boolean(),
	learningRate: z.number().positive().max(1000),
	schedule: learningRateSchedule,
	weightAveraging: z.boolean(),
	patience: positive.optional(),
	classWeights: z.array(z.number().positive()),
	smashedDtype: z.enum(wireDTypes),
	gradientDtype: z.enum(wireDTypes),
	deflate: z.boolean().optional(),
	window: positive.max(protocolLimits.maxWindow),
	mapBudget: z.number().min(0).max(10),
	robustBudget: z.number().min(0).max(1),
	stepTimeoutMs: timeout,
	roundTimeoutMs: timeout,
	seed: z.int().min(0).max(0xffff_ffff),
});

/** Where neither settings nor artifact name one. */
export const defaultWire: WireDType = "float16";

/** How the aggregator trains. Every field may be left out. */
export interface AggregatorSettings {
	/** How client segments are combined. Default `splitfed-v2`. */
	readonly strategy?: Strategy | undefined;
	/** Rounds to train; 0 only answers requests for decisions. Default 10. */
	readonly rounds?: number | undefined;
	/** Devices with training data that have to be there before the first round. Default 1. */
	readonly minDevices?: number | undefined;
	/** Samples of a batch. Default 32. */
	readonly batchSize?: number | undefined;
	/**
	 * Batches of a device after which client segments are combined; 0 means at the end of the round only. Default 4; 0 where devices learn by
	 * themselves: there nothing else travels, and weights would be all the traffic.
	 */
	readonly averageEvery?: number | undefined;
	/** Devices whose batches make one server step (splitfed-v2). Default 4. */
	readonly groupSize?: number | undefined;
	/** How client segments become one (splitfed). Default `mean`; the others bear malicious devices (docs/security.md). */
	readonly averaging?: AveragingMethod | undefined;
	/** Leaves out smashed data and client segments that are far larger than, or point away from, the other devices'. Default false. */
	readonly outlierGuard?: boolean | undefined;
	/** Learning rate of client and server segment. Default: the artifact's. */
	readonly learningRate?: number | undefined;
	/** How the learning rate changes from round to round. Default: falls linearly in the second half. */
	readonly schedule?: LearningRateSchedule | undefined;
	/** Whether the result is the mean of the weights along the second half of the rounds. Default true. */
	readonly weightAveraging?: boolean | undefined;
	/** Rounds without a better validation after which training ends. Default: never. */
	readonly patience?: number | undefined;
	/** Weight of each class in the loss (focal: its alpha). Default: all 1. */
	readonly classWeights?: readonly number[] | undefined;
	/** Element type of smashed data on the wire; a device that does not offer it gets the next wider one. Default: the artifact's, else float16. */
	readonly smashedDtype?: WireDType | undefined;
	/** Element type of cut gradients on the wire. Default: that of smashed data, and int8 with int4. */
	readonly gradientDtype?: WireDType | undefined;
	/**
	 * Batches, validation batches, their answers and weights travel deflated where that pays. Default: those of devices that send int8, int4 or,
	 * in the release modes `once` and `refresh`, codes.
	 */
	readonly deflate?: boolean | undefined;
	/** Batches a device may have in flight; more than one hides the way there and back, and makes its client segment so many steps stale. Default 1. */
	readonly window?: number | undefined;
	/** Budget of the saliency map. Default: the artifact's. */
	readonly mapBudget?: number | undefined;
	/** Bound of the robust perturbation, a fraction of the input's range. Default: the artifact's. */
	readonly robustBudget?: number | undefined;
	/** Milliseconds a step waits for a device; afterwards it goes on without it until its batch comes. Default 30,000. */
	readonly stepTimeoutMs?: number | undefined;
	/** Milliseconds a round that is otherwise over waits for devices that were left behind. Default 60,000. */
	readonly roundTimeoutMs?: number | undefined;
	/** Seed of the devices' shuffling and of everything the aggregator draws. Default 1. */
	readonly seed?: number | undefined;
}

/** Settings with every default filled in. */
export type ResolvedSettings = Readonly<z.infer<typeof schema>>;

/** @throws ConfigError `PSGL_AGGREGATOR_SETTINGS`. */
export function resolveSettings(settings: AggregatorSettings, manifest: Manifest): ResolvedSettings {
	const classes = manifest.classes.length;
	const smashedDtype = settings.smashedDtype ?? manifest.wire ?? defaultWire;
	const parsed = schema.safeParse({
		strategy: settings.strategy ?? "splitfed-v2",
		rounds: settings.rounds ?? 10,
		minDevices: settings.minDevices ?? 1,
		batchSize: settings.batchSize ?? 32,
		averageEvery: settings.averageEvery ?? (manifest.disclosure.release === "every-epoch" ? 4 : 0),
		groupSize: settings.groupSize ?? 4,
		averaging: settings.averaging ?? "mean",
		outlierGuard: settings.outlierGuard ?? false,
		learningRate: settings.learningRate ?? manifest.optimiser.learningRate,
		schedule: settings.schedule ?? { kind: "linear", warmUpRounds: 0 },
		weightAveraging: settings.weightAveraging ?? true,
		patience: settings.patience,
		classWeights: settings.classWeights ?? new Array(classes).fill(1),
		smashedDtype,
		// A gradient of 15 levels is of no use.
		gradientDtype: settings.gradientDtype ?? (smashedDtype === "int4" ? "int8" : smashedDtype),
		deflate: settings.deflate,
		window: settings.window ?? 1,
		mapBudget: settings.mapBudget ?? manifest.map?.budget ?? 0,
		robustBudget: settings.robustBudget ?? manifest.robustBudget,
		stepTimeoutMs: settings.stepTimeoutMs ?? 30_000,
		roundTimeoutMs: settings.roundTimeoutMs ?? 60_000,
		seed: settings.seed ?? 1,
	});
	if (!parsed.success) {
		const issue = parsed.error.issues[0];
		throw unusable(`${issue?.path.join(".")}: ${issue?.message}`);
	}
	if (parsed.data.classWeights.length !== classes) {
		throw unusable(`${parsed.data.classWeights.length} class weights`, `${classes}, one for each class`);
	}
	if (manifest.tail !== null && parsed.data.classWeights.some((weight) => weight !== 1)) {
		throw unusable("class weights, where the labels and the loss are on the devices", "none, or all 1");
	}
	return parsed.data;
}

function unusable(got: string, expected?: string): ConfigError {
	return new ConfigError("PSGL_AGGREGATOR_SETTINGS", {
		what: "a setting of the aggregator cannot be used",
		got,
		expected,
		remedy: "See docs/configuration.md for every setting and its range",
	});
}
