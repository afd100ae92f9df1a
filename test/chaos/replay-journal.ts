import { Aggregator, type AggregatorSettings, artifactDigest, decodeRecord, openFileJournal } from "@psgl/cloud";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type Labels, smallModel } from "../helpers/small-model.js";
import { weightsDigest } from "./weights-digest.js";

export interface Replay {
	/** How many optimiser steps the journal tells of for each batch, by device, epoch and number. */
	readonly steps: ReadonlyMap<string, number>;
	/** SHA-256 (hex) of the weights that the journal alone gives. */
	readonly weights: string;
}

/** Makes a run again from its journal alone. */
export async function replayJournal(folder: string, settings: AggregatorSettings, labels: Labels): Promise<Replay> {
	const { joint: artifact } = await smallModel("robust", { labels });
	await using log = await openFileJournal({ folder, run: await artifactDigest(artifact) });
	const steps = new Map<string, number>();
	for await (const { position, bytes } of log.read(log.start)) {
		const record = decodeRecord(bytes);
		if (record?.type === "step") {
			for (const { device, epoch, seq } of record.batches) {
				const batch = `${device} ${epoch} ${seq}`;
				steps.set(batch, (steps.get(batch) ?? 0) + 1);
			}
		}
		if (position === log.end - 1) break;
	}
	const broker = { log, maxMessageBytes: 1_000_000, send: async () => false };
	await using aggregator = await Aggregator.start({
		artifact,
		runtime: nodeRuntime,
		broker,
		settings,
		replayOnly: true,
	});
	return { steps, weights: await weightsDigest((await aggregator.result).artifact) };
}
