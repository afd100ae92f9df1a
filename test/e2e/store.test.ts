import { Aggregator, type AggregatorEvent, type AggregatorSettings, artifactDigest, RunStore } from "@psgl/cloud";
import { type FleetEvent, runFleet } from "@psgl/firmware-sim";
import { sha256 } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import type { ExecutionContext } from "ava";
import { Child } from "../helpers/child.js";
import { startCloud } from "../helpers/cloud.js";
import { EventReader } from "../helpers/event-reader.js";
import { NatsServers } from "../helpers/nats-servers.js";
import { withPrograms } from "../helpers/outside-program.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";
import type { StoreProcessOptions } from "../helpers/store-process.js";

const withNats = withPrograms("nats-server");

const data = {
	name: "small",
	synthetic: true,
	train: smallDataset(48),
	validation: smallDataset(12, 2),
	test: smallDataset(2, 3),
};

const settings = { rounds: 3, minDevices: 3, batchSize: 4 } satisfies AggregatorSettings;

interface Result {
	readonly rounds: number;
	readonly reason: string;
	readonly counts: { readonly lost: number; readonly doubled: number };
	readonly digest: string;
}

const start = (options: StoreProcessOptions) => new Child("store-process.js", [JSON.stringify(options)]);

const fleetOn = (url: string) =>
	new EventReader<FleetEvent>(runFleet({ url, devices: 3, data, seed: 5, runtime: nodeRuntime }));

/** The same run in one process, on a log in memory. */
async function reference(): Promise<string> {
	const { joint } = await smallModel();
	await using cloud = await startCloud(joint, settings);
	const fleet = fleetOn(cloud.url);
	const { artifact } = await cloud.aggregator.result;
	await fleet.done;
	return sha256(artifact);
}

/** Makes the run again from its log alone. */
async function replay(t: ExecutionContext, servers: readonly string[]): Promise<string> {
	const { joint: artifact } = await smallModel();
	await using store = await RunStore.open({ servers, artifact: await artifactDigest(artifact) });
	await using log = await store.openLog(0);
	const { end } = log;
	const broker = { log, maxMessageBytes: 500_000, send: async () => false };
	await using aggregator = await Aggregator.start({
		artifact,
		runtime: nodeRuntime,
		broker,
		settings,
		replayOnly: true,
	});
	const events = new EventReader<AggregatorEvent>(aggregator.events());
	const { artifact: trained } = await aggregator.result;
	const rounds = events.events.filter((event) => event.type === "replayed");
	t.deepEqual(
		rounds.map(({ round, identical }) => [round, identical]),
		[1, 2, 3].map((round) => [round, true]),
	);
	t.is(log.end, end, "a replay writes nothing");
	return sha256(trained);
}

withNats(
	"roles in processes of their own on NATS train to the bits of one process; killed ingress, aggregator and server change nothing",
	async (t) => {
		await using servers = await NatsServers.start();
		const options = { servers: servers.urls, settings } as const;
		await using first = start({ role: "aggregator", ...options });
		await first.next("owned");
		await using second = start({ role: "aggregator", ...options });
		let ingress = start({ role: "ingress", ...options });
		const { url } = await ingress.next<{ url: string }>("listening");
		const fleet = fleetOn(url);
		const steps = async (count: number) => {
			for (let left = count; left > 0; ) if ((await fleet.next("device")).event.type === "step") left--;
		};
		await steps(4);
		await servers.kill();
		await servers.run();
		await steps(4);
		await ingress.kill();
		ingress = start({ role: "ingress", ...options, port: Number(new URL(url).port) });
		await steps(4);
		await first.kill();
		const { epoch } = await second.next<{ epoch: number }>("owned");
		t.true(epoch > 1);
		const result = await second.next<Result>("result");
		await fleet.done;
		await ingress.kill();
		t.like(fleet.events.at(-1), { type: "finished", devices: 3, failed: 0 });
		t.like(result, { rounds: 3, reason: "finished", counts: { lost: 0, doubled: 0 } });
		t.is(result.digest, await reference());
		await second.kill();
		t.is(await replay(t, servers.urls), result.digest);
	},
);
