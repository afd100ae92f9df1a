import { readFile } from "node:fs/promises";
import {
	type Aggregator,
	type AggregatorSettings,
	artifactDigest,
	ownPartitions,
	RunStore,
	startIngress,
} from "@psgl/cloud";
import { decodeArtifact, sha256 } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { slowedRuntime } from "./slowed-runtime.js";
import { smallModel } from "./small-model.js";

/** What the process is told, as JSON. */
export interface StoreProcessOptions {
	readonly role: "ingress" | "aggregator";
	readonly servers: readonly string[];
	/** Of the ingress. */
	readonly port?: number;
	readonly partitions?: number;
	/** File with the joint artifact. Default: the small model. */
	readonly artifact?: string;
	readonly settings?: AggregatorSettings;
	/** Devices each partition waits for, instead of what the settings say. */
	readonly minDevices?: readonly number[];
	/** Milliseconds every server step takes longer, where more than this machine's processors is to be measured. */
	readonly stepMs?: number;
	readonly leaseMs?: number | undefined;
	readonly shareIdleMs?: number | undefined;
}

/**
 * One role of a cloud on NATS in a process of its own, for tests that kill it. Tells its parent of every event, with the partition.
 */
process.on("disconnect", () => process.exit());
const options = JSON.parse(process.argv[2] ?? "{}") as StoreProcessOptions;
const { role, servers, port = 0, partitions = 1, settings = {}, minDevices, stepMs = 0 } = options;
const { leaseMs, shareIdleMs } = options;
const artifact =
	options.artifact === undefined ? (await smallModel()).joint : await decodeArtifact(await readFile(options.artifact));
const store = await RunStore.open({ servers, artifact: await artifactDigest(artifact), partitions, leaseMs });
const tell = (message: object) => process.send?.(message);
tell({ type: "connected" });
if (role === "ingress") {
	const { broker } = await startIngress({
		store,
		port,
		onOwner: (partition, epoch) => tell({ type: "owner", partition, epoch }),
	});
	tell({ type: "listening", url: broker.url });
} else {
	const stop = new AbortController();
	await ownPartitions({
		store,
		shareIdleMs,
		aggregator: (partition) => ({
			artifact,
			runtime: stepMs > 0 ? slowedRuntime(nodeRuntime, stepMs) : nodeRuntime,
			settings: { ...settings, ...(minDevices && { minDevices: minDevices[partition] as number }) },
			keepLog: true,
		}),
		onOwned: (partition, aggregator, { epoch }) => void follow(aggregator, partition, epoch),
		onLost: (partition, error) => tell({ type: "lost", partition, reason: error?.message ?? "given to another" }),
		signal: stop.signal,
	});
}

async function follow(aggregator: Aggregator, partition: number, epoch: number): Promise<void> {
	tell({ type: "owned", partition, epoch });
	try {
		for await (const event of aggregator.events()) {
			const told = event.type === "merged" || event.type === "twin" || event.type === "rollout" ? event : {};
			tell({ ...told, type: event.type, partition });
			if (event.type !== "end") continue;
			const { rounds, reason, counts, artifact: trained } = await aggregator.result;
			tell({ type: "result", partition, rounds, reason, counts, digest: await sha256(trained) });
		}
	} catch {
		// What took the partition away is told by `onLost`.
	}
}
