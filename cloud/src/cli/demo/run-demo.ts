import { DeployedSystem, presetDefinition, type TransitLoss, transitLoss, zooNetwork } from "@psgl/models";
import { type Runtime, seededRandom, systemClock, withThreads } from "@psgl/sdk";
import { type Artifact, artifactTensor } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import type { DataSplits, Dataset } from "@psgl/sdk/sources";
import { defaultWire } from "../../aggregator/settings.js";
import { writeOutput } from "../../files/write-output.js";
import { defaultThreads } from "../common-options.js";
import { type dataOptions, loadSplits, stratifiedPart } from "../data-options.js";
import { parseDeal } from "../deal-options.js";
import { learningSettings } from "../learning-options.js";
import { defaultNetwork, definitionFrom, type settingOptions } from "../model-options.js";
import type { OptionValues } from "../options/option.js";
import { openStateFolder } from "../state-files.js";
import { aggregatorSettings, defaultBatchSize, type trainingOptions } from "../training-options.js";
import type { VerbContext } from "../verb.js";
import { type DemoResult, demoResult, type Trained } from "./demo-result.js";
import { printDemoTable } from "./demo-table.js";
import { deviceCost, printDeviceCost } from "./device-cost.js";
import { evaluateSystem } from "./evaluate-system.js";
import { printLeak } from "./leak-table.js";
import { lossForData } from "./loss-for-data.js";
import { type LeakMeasurement, measureLeak } from "./measure-leak.js";
import { type TrainSystemOptions, trainSystem } from "./train-system.js";
import type { TrainingRun } from "./training-run.js";

interface DemoValues
	extends OptionValues<typeof dataOptions>,
		OptionValues<typeof settingOptions>,
		OptionValues<typeof trainingOptions> {
	readonly devices: number;
	readonly deal: string;
	readonly rounds: number;
	readonly seed: number;
	readonly model?: string | undefined;
	readonly attackSamples?: number | undefined;
	readonly threads?: number | undefined;
	readonly out: string;
}

/** What the demo does with the embedded set unless told otherwise: under a minute on two cores. */
const embedded = { samples: 1200, batchSize: 8, attackSamples: 96 } as const;
/** Test inputs of another data set that are attacked unless told otherwise. */
const attackedOfOthers = 1000;
/** Share of the channels lost in the transit measurement. */
const lostChannels = 0.5;

/** Trains both systems, measures them, prints and writes the results. */
export async function runDemo(given: DemoValues, context: VerbContext): Promise<number> {
	const preset = given.data === undefined ? withDefaults(given, embedded) : given;
	const { output } = context;
	const started = systemClock.now();
	const files = await openStateFolder(preset.out);
	const splits = await loadSplits(preset, context);
	const options = { ...preset, loss: lossForData(preset.loss, splits.train) };
	const { shape, classes } = splits.train;
	const network = options.model ?? defaultNetwork(shape);
	const definition = definitionFrom(options, zooNetwork(network), shape, classes, splits.train.length);
	const threads = options.threads ?? defaultThreads();
	const common = {
		splits,
		devices: options.devices,
		deal: parseDeal(options.deal),
		seed: options.seed,
		settings: aggregatorSettings(options, options.devices, splits.train),
		runtime: withThreads(nodeRuntime, threads),
		threads,
		files,
	} satisfies Omit<TrainSystemOptions, "name" | "definition">;
	const psglRun = await trainSystem({ ...common, name: "psgl", definition }, context);
	const plain = { ...presetDefinition("none", zooNetwork(network), shape, classes), ...learningSettings(options) };
	const vanillaRun = await trainSystem({ ...common, name: "vanilla", definition: plain }, context);

	const attackSamples = options.attackSamples ?? attackedOfOthers;
	const measure = { test: splits.test, attackSamples, seed: options.seed, runtime: common.runtime, threads };
	const psgl = await evaluate("psgl", psglRun, measure, context);
	const vanilla = await evaluate("vanilla", vanillaRun, measure, context);

	const mode = psglRun.artifact.manifest.privacy as string;
	const wire = options.wire ?? defaultWire;
	const { batchSize = defaultBatchSize } = options;
	const costOptions = { runtime: nodeRuntime, batchSize, wire, signal: context.signal };
	const trained = { mode, artifact: psglRun.artifact, bitsPerRecord: psglRun.bitsPerRecord };
	const leak =
		attackSamples === 0
			? undefined
			: await measureLeak(trained, vanillaRun.artifact, { ...options, ...common, network, wire }, context);
	const costs = {
		[mode]: await deviceCost(psglRun.artifact, splits.train, costOptions),
		vanilla: await deviceCost(vanillaRun.artifact, splits.train, costOptions),
	};
	const wallSeconds = (systemClock.now() - started) / 1000;
	const result = demoResult(splits, { ...options, privacy: mode }, psgl, vanilla, leak, costs, wallSeconds);
	await writeOutput(files.model, psgl.run.result.artifact);
	await writeOutput(files.vanilla, vanilla.run.result.artifact);
	await writeOutput(
		files.report,
		`${JSON.stringify(report(options, splits, { psgl, vanilla, leak, result }), null, "\t")}\n`,
	);
	printDemoTable(output, splits, psgl, vanilla, result);
	if (leak !== undefined) printLeak(output, leak);
	printDeviceCost(output, costs, batchSize);
	output.print(`Written: ${files.model}, ${files.vanilla}, ${files.report}`);
	output.result({ ...result });
	return 0;
}

/** Options with what the user left open filled in. */
function withDefaults(
	options: DemoValues,
	presets: Pick<DemoValues, "samples" | "batchSize" | "attackSamples">,
): DemoValues {
	const { samples = presets.samples, batchSize = presets.batchSize, attackSamples = presets.attackSamples } = options;
	return { ...options, samples, batchSize, attackSamples };
}

interface Measure {
	readonly test: Dataset;
	readonly attackSamples: number;
	readonly seed: number;
	readonly runtime: Runtime;
	readonly threads: number;
}

async function evaluate(
	name: string,
	run: TrainingRun,
	measure: Measure,
	{ output, signal }: VerbContext,
): Promise<Trained> {
	const { test, attackSamples, seed, runtime, threads } = measure;
	const random = seededRandom(seed);
	const system = await DeployedSystem.load(run.artifact, run.definition, runtime, threads);
	try {
		const attackTest = attackSamples === 0 ? undefined : stratifiedPart(test, attackSamples, seed);
		const progress = output.progress(`${name}: attacks on test inputs`, attackTest?.length ?? test.length);
		const evaluation = await evaluateSystem(system, {
			test,
			attackTest,
			random: random.fork("attacks"),
			signal,
			onProgress: (done, total) => {
				progress.update(done);
				output.event("attacked", { system: name, done, total });
			},
		});
		progress.stop();
		return { run, evaluation, transit: await transit(system, run.artifact, measure, signal) };
	} finally {
		await system.close();
	}
}

async function transit(
	system: DeployedSystem,
	artifact: Artifact,
	{ test, seed, runtime, threads }: Measure,
	signal: AbortSignal,
): Promise<TransitLoss | undefined> {
	if (!artifact.tensors.has("recovery/basis")) return undefined;
	const prior = {
		mean: artifactTensor(artifact, "recovery/mean"),
		basis: artifactTensor(artifact, "recovery/basis"),
		variance: artifactTensor(artifact, "recovery/variance").data[0] as number,
	};
	const random = seededRandom(seed).fork("channels");
	return transitLoss(system, artifact, test, { fraction: lostChannels, prior, runtime, random, threads, signal });
}

/** What report.json holds: the result, the options, and everything measured. */
function report(
	options: DemoValues,
	splits: DataSplits,
	{
		psgl,
		vanilla,
		leak,
		result,
	}: {
		readonly psgl: Trained;
		readonly vanilla: Trained;
		readonly leak: LeakMeasurement | undefined;
		readonly result: DemoResult;
	},
): Readonly<Record<string, unknown>> {
	const system = ({ run, evaluation, transit: lost }: Trained) => ({
		bestRound: run.result.bestRound,
		reason: run.result.reason,
		seconds: run.result.seconds,
		counts: run.result.counts,
		traffic: run.result.traffic,
		evaluation,
		halfOfChannelsLost: lost,
		rounds: run.rounds,
	});
	const { train, validation, test, notes } = splits;
	return {
		result,
		synthetic: splits.synthetic,
		notes,
		samples: { train: train.length, validation: validation.length, test: test.length },
		options,
		node: process.version,
		runtime: nodeRuntime.version,
		psgl: system(psgl),
		vanilla: system(vanilla),
		quickAudit: leak,
	};
}
