import { type Deal, runFleet } from "@psgl/firmware-sim";
import { compileModel, type ModelDefinition } from "@psgl/models";
import { type Runtime, seededRandom } from "@psgl/sdk";
import { decodeArtifact } from "@psgl/sdk/artifact";
import type { DataSplits } from "@psgl/sdk/sources";
import { Aggregator } from "../../aggregator/aggregator.js";
import { disclosedArtifact } from "../../aggregator/disclosed-artifact.js";
import type { RoundReport } from "../../aggregator/events.js";
import type { AggregatorSettings } from "../../aggregator/settings.js";
import { startBroker } from "../../broker/broker.js";
import { writeOutput } from "../../files/write-output.js";
import type { StateFiles } from "../state-files.js";
import { TrainingProgress } from "../training-progress.js";
import type { VerbContext } from "../verb.js";
import type { TrainingRun } from "./training-run.js";

export interface TrainSystemOptions {
	/** Stands before every line of progress, and in the artifact. */
	readonly name: string;
	readonly definition: ModelDefinition;
	readonly splits: DataSplits;
	readonly devices: number;
	readonly deal: Deal;
	readonly seed: number;
	readonly settings: AggregatorSettings;
	readonly runtime: Runtime;
	readonly threads: number;
	/** Where a stopped run is left. */
	readonly files: StateFiles;
}

/**
 * Trains a model over MQTT with broker, aggregator and fleet in this process. When the signal is aborted, ends after the
 * step under way, writes a checkpoint, and rejects with the signal's reason.
 */
export async function trainSystem(options: TrainSystemOptions, context: VerbContext): Promise<TrainingRun> {
	const { name, definition, splits, devices, seed, settings, runtime, threads, files } = options;
	const { output, signal } = context;
	const untrained = await compileModel(definition, { name, random: seededRandom(seed).fork("weights") });
	await using broker = await startBroker({ port: 0 });
	await using aggregator = await Aggregator.start({
		artifact: await decodeArtifact(untrained),
		runtime,
		broker,
		settings,
		threads,
		signal,
	});
	const batches = Math.ceil(splits.train.length / devices / aggregator.settings.batchSize);
	const progress = new TrainingProgress(output, {
		label: name,
		batchesPerRound: devices * batches,
		tellWaiting: false,
	});
	const rounds = followTraining(aggregator, progress);
	const fleet = trainFleet(options, broker.url, aggregator, context);
	const [result, reports, bitsPerRecord] = await Promise.all([aggregator.result, rounds, fleet]);
	if (signal.aborted) {
		await writeOutput(files.untrained, untrained);
		await aggregator.checkpoint(files.checkpoint);
		const { checkpoint: file } = files;
		output.event("checkpoint", { file, round: result.rounds }, `Checkpoint after round ${result.rounds}: ${file}`);
		signal.throwIfAborted();
	}
	const artifact = await disclosedArtifact(result.artifact, aggregator.devices());
	const trained = { ...result, artifact };
	return { definition, artifact: await decodeArtifact(artifact), rounds: reports, result: trained, bitsPerRecord };
}

/** Shows events until training ends; resolves with the rounds. */
async function followTraining(aggregator: Aggregator, progress: TrainingProgress): Promise<readonly RoundReport[]> {
	const rounds: RoundReport[] = [];
	try {
		for await (const event of aggregator.events()) {
			progress.show(event);
			if (event.type === "round") rounds.push(event);
			if (event.type === "end") break;
		}
	} finally {
		progress.stop();
	}
	return rounds;
}

/** Runs the fleet until the aggregator ends training; resolves with the bits it released of a record at most. A fleet that fails as a whole ends training too. */
async function trainFleet(
	{ splits, devices, deal, seed, runtime }: TrainSystemOptions,
	url: string,
	aggregator: Aggregator,
	{ output }: VerbContext,
): Promise<number> {
	let bitsPerRecord = 0;
	const stop = new AbortController();
	// Without an aggregator the devices would wait for ever.
	aggregator.result.catch((error: unknown) => stop.abort(error));
	try {
		for await (const event of runFleet({ url, devices, data: splits, deal, seed, runtime, signal: stop.signal })) {
			if (event.type === "finished") bitsPerRecord = event.bitsPerRecord;
			if (event.type === "failed") {
				output.event("failed", { device: event.device, what: String(event.error) }, `${event.device}: ${event.error}`);
			}
		}
	} finally {
		aggregator.stop();
	}
	return bitsPerRecord;
}
