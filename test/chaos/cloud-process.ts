import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { AggregatorSettings } from "@psgl/cloud";
import { decodeArtifact } from "@psgl/sdk/artifact";
import { startCloud } from "../helpers/cloud.js";
import { weightsDigest } from "./weights-digest.js";

/** What the cloud's process is told, as JSON. */
export interface CloudProcessOptions {
	readonly port: number;
	/** Of its journal and checkpoint. */
	readonly folder: string;
	/** File of the joint model. */
	readonly artifact: string;
	readonly settings: AggregatorSettings;
}

/** Broker and aggregator in a process of their own; any message from the parent ends training. */
process.on("disconnect", () => process.exit());
const { port, folder, artifact: file, settings } = JSON.parse(process.argv[2] ?? "{}") as CloudProcessOptions;
const joint = await decodeArtifact(await readFile(file));
await mkdir(folder, { recursive: true });
{
	await using cloud = await startCloud(joint, settings, {
		port,
		journal: join(folder, "journal"),
		checkpointFile: join(folder, "checkpoint"),
	});
	process.on("message", () => cloud.aggregator.stop());
	process.send?.({ type: "listening", url: cloud.url });
	for await (const event of cloud.aggregator.events()) {
		process.send?.(event);
		if (event.type === "end") break;
	}
	const { rounds, counts, artifact } = await cloud.aggregator.result;
	const result = { type: "result", rounds, counts, weights: await weightsDigest(artifact) };
	await new Promise((sent) => process.send?.(result, sent));
}
process.disconnect();
