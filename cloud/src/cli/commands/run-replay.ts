import { existsSync } from "node:fs";
import { ConfigError } from "@psgl/sdk";
import type { Artifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Aggregator } from "../../aggregator/aggregator.js";
import type { AggregatorOptions } from "../../aggregator/aggregator-options.js";
import type { CheckpointStore } from "../../aggregator/checkpoint-store.js";
import { checkpointFiles, fileCheckpoints } from "../../aggregator/file-checkpoints.js";
import type { PartitionExchange } from "../../aggregator/partition-merge.js";
import { recordedSettings } from "../../aggregator/run-history.js";
import { artifactDigest } from "../../aggregator/run-identity.js";
import { cloudLimits } from "../../limits.js";
import type { Log } from "../../log/log.js";
import { openFileJournal } from "../../log/open-file-journal.js";
import { oldestBlobCheckpoint } from "../../scale/blob-checkpoints.js";
import { StoreExchange } from "../../scale/store-exchange.js";
import { defaultThreads } from "../common-options.js";
import { openArtifact } from "../open-artifact.js";
import type { OptionValues } from "../options/option.js";
import type { Output } from "../output.js";
import { roundWriter } from "../round-artifacts.js";
import { openStateFolder } from "../state-files.js";
import { openRunStore, type storeOptions } from "../store-options.js";
import type { VerbContext } from "../verb.js";

interface ReplayValues extends OptionValues<typeof storeOptions> {
	readonly artifact: string;
	readonly state: string;
	readonly roundsTo?: string | undefined;
	readonly threads?: number | undefined;
}

/** A log to make again, and where it starts. */
interface Source {
	/** For people; empty where there is one log. */
	readonly label: string;
	readonly log: Log;
	/** Where copies of other partitions lie that were merged. */
	readonly exchange?: PartitionExchange | undefined;
	readonly checkpoints: Pick<CheckpointStore, "name" | "read">;
}

interface Tally {
	rounds: number;
	applied: number;
	different: number;
	/** Digests of the weights at each log's end. */
	readonly weights: (string | null)[];
}

/** Makes a run again. */
export async function runReplay(options: ReplayValues, { output, signal }: VerbContext): Promise<number> {
	const artifact = await openArtifact(options.artifact);
	const { roundsTo } = options;
	await using store = await openRunStore(options, artifact, signal);
	if (roundsTo !== undefined && store !== undefined) throw roundsOfPartitions();
	const onWeights = roundsTo === undefined ? undefined : await roundWriter(artifact, roundsTo);
	const tally: Tally = { rounds: 0, applied: 0, different: 0, weights: [] };
	const parts = { artifact, threads: options.threads, onWeights, output, signal, tally };
	const replay = (source: Source) => replayLog(source, parts);
	if (store === undefined) {
		const files = await openStateFolder(options.state);
		await using log = await openFileJournal({ folder: files.journal, run: await artifactDigest(artifact) });
		await replay({ label: "", log, checkpoints: oldestFile(files.checkpoint) });
	} else {
		for (let partition = 0; partition < store.partitions; partition++) {
			await using log = await store.openLog(partition);
			const label = store.partitions > 1 ? `Partition ${partition}, round` : "";
			const exchange = await StoreExchange.open({ store, partition });
			await replay({ label, log, exchange, checkpoints: oldestBlobCheckpoint(store.blobs, `p${partition}`) });
		}
	}
	const { rounds, applied, different, weights } = tally;
	output.print(`${rounds} rounds, ${applied} batches made again, ${different} rounds with other weights`);
	output.result({
		rounds,
		applied,
		bitIdentical: different === 0,
		weights: weights[0] ?? null,
		...(weights.length > 1 && { partitions: weights }),
	});
	return different === 0 ? 0 : 1;
}

async function replayLog(
	{ label, log, exchange, checkpoints }: Source,
	{ artifact, threads, onWeights, output, signal, tally }: ReplayParts,
): Promise<void> {
	await using aggregator = await Aggregator.start({
		artifact,
		runtime: nodeRuntime,
		// Nobody listens: what devices were answered is of no interest.
		broker: { log, maxMessageBytes: cloudLimits.maxMessageBytes, send: async () => false },
		settings: await recordedSettings(log),
		checkpoints: log.start > 0 ? { ...checkpoints, write: async () => undefined } : undefined,
		exchange,
		threads: threads ?? defaultThreads(),
		replayOnly: true,
		onWeights,
		signal,
	});
	let last: string | null = null;
	for await (const event of aggregator.events()) {
		if (event.type === "end") break;
		if (event.type !== "replayed") continue;
		const { round, digest, identical } = event;
		tally.rounds++;
		if (!identical) tally.different++;
		last = digest;
		const line = `${label || "Round"} ${round}: ${digest} ${identical ? "as in the journal" : "NOT as in the journal"}`;
		output.event("replayed", event, line);
	}
	const { counts } = await aggregator.result;
	signal.throwIfAborted();
	tally.applied += counts.applied;
	tally.weights.push(last);
}

interface ReplayParts {
	readonly artifact: Artifact;
	readonly threads: number | undefined;
	readonly onWeights: AggregatorOptions["onWeights"];
	readonly output: Output;
	readonly signal: AbortSignal;
	readonly tally: Tally;
}

function oldestFile(file: string): Source["checkpoints"] {
	const oldest = checkpointFiles(file).findLast((each) => existsSync(each));
	return oldest === undefined ? { name: file, async *read() {} } : fileCheckpoints(oldest);
}

function roundsOfPartitions(): ConfigError {
	return new ConfigError("PSGL_OPTION_CONFLICT", {
		what: "artifacts of rounds are written of one journal",
		got: "--rounds-to with --store",
		expected: "--rounds-to with --state",
	});
}
