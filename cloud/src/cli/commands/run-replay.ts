import { existsSync } from "node:fs";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Aggregator } from "../../aggregator/aggregator.js";
import { checkpointFiles } from "../../aggregator/file-checkpoints.js";
import { recordedSettings } from "../../aggregator/run-history.js";
import { artifactDigest } from "../../aggregator/run-identity.js";
import { cloudLimits } from "../../limits.js";
import { openFileJournal } from "../../log/file-journal.js";
import { defaultThreads } from "../common-options.js";
import { openArtifact } from "../open-artifact.js";
import { openStateFolder } from "../state-files.js";
import type { VerbContext } from "../verb.js";

interface ReplayValues {
	readonly artifact: string;
	readonly state: string;
	readonly threads?: number | undefined;
}

/** Makes a run again. */
export async function runReplay(options: ReplayValues, { output, signal }: VerbContext): Promise<number> {
	const artifact = await openArtifact(options.artifact);
	const files = await openStateFolder(options.state);
	await using log = await openFileJournal({ folder: files.journal, run: await artifactDigest(artifact) });
	const oldest = checkpointFiles(files.checkpoint).findLast((file) => existsSync(file));
	await using aggregator = await Aggregator.start({
		artifact,
		runtime: nodeRuntime,
		// Nobody listens: what devices were answered is of no interest.
		broker: { log, maxMessageBytes: cloudLimits.maxMessageBytes, send: async () => false },
		settings: await recordedSettings(log),
		checkpointFile: log.start > 0 ? oldest : undefined,
		threads: options.threads ?? defaultThreads(),
		replayOnly: true,
		signal,
	});
	let rounds = 0;
	let different = 0;
	let last: string | undefined;
	for await (const event of aggregator.events()) {
		if (event.type === "end") break;
		if (event.type !== "replayed") continue;
		rounds++;
		if (!event.identical) different++;
		last = event.digest;
		const { round, digest, identical } = event;
		output.event(
			"replayed",
			event,
			`Round ${round}: ${digest} ${identical ? "as in the journal" : "NOT as in the journal"}`,
		);
	}
	const { counts } = await aggregator.result;
	signal.throwIfAborted();
	const { applied } = counts;
	output.print(`${rounds} rounds, ${applied} batches made again, ${different} rounds with other weights`);
	output.result({ rounds, applied, bitIdentical: different === 0, weights: last ?? null });
	return different === 0 ? 0 : 1;
}
