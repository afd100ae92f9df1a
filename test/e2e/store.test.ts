import { Aggregator, type AggregatorSettings, artifactDigest, partitionOf, RunStore, StoreExchange } from "@psgl/cloud";
import { type FleetEvent, runFleet } from "@psgl/firmware-sim";
import { sha256 } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import type { ExecutionContext } from "ava";
import { Child } from "../helpers/child.js";
import { startCloud } from "../helpers/cloud.js";
import { EventReader } from "../helpers/event-reader.js";
import { NatsServers } from "../helpers/nats-servers.js";
import { withPrograms } from "../helpers/outside-program.js";
import { replayedRun } from "../helpers/replayed-run.js";
import { smallFleetData, smallModel } from "../helpers/small-model.js";
import type { StoreProcessOptions } from "../helpers/store-process.js";

const withNats = withPrograms("nats-server");

/** Nobody is left behind, however long a killed process takes to be back on a busy machine: who is out of a step changes the weights. */
const patient = { stepTimeoutMs: 3_600_000, roundTimeoutMs: 3_600_000 };

const settings = { rounds: 3, minDevices: 3, batchSize: 4, ...patient } satisfies AggregatorSettings;

interface Result {
	readonly rounds: number;
	readonly reason: string;
	readonly counts: { readonly lost: number; readonly doubled: number };
	readonly digest: string;
}

/** So that who takes over does so at once. */
const hasty = { leaseMs: 2000, shareIdleMs: 1500 } as const;

/** What a kill swallowed is asked for soon. */
const answerTimeoutMs = 1000;

const start = (options: StoreProcessOptions) =>
	new Child("store-process.js", [JSON.stringify({ ...hasty, ...options })]);

const fleetOn = (url: string) =>
	new EventReader<FleetEvent>(
		runFleet({ url, devices: 3, data: smallFleetData, seed: 5, runtime: nodeRuntime, answerTimeoutMs }),
	);

/** The same run in one process, on a log in memory. */
async function reference(): Promise<string> {
	const { joint } = await smallModel();
	await using cloud = await startCloud(joint, settings);
	const fleet = fleetOn(cloud.url);
	const { artifact } = await cloud.aggregator.result;
	await fleet.done;
	return sha256(artifact);
}

/** Makes the run of a partition again from its log alone. */
async function replay(t: ExecutionContext, servers: readonly string[], partition = 0, partitions = 1) {
	const { joint: artifact } = await smallModel();
	await using store = await RunStore.open({
		servers,
		artifact: await artifactDigest(artifact),
		partitions,
		leaseMs: hasty.leaseMs,
	});
	await using log = await store.openLog(partition);
	const exchange = await StoreExchange.open({ store, partition });
	const { end } = log;
	const broker = { log, maxMessageBytes: 500_000, send: async () => false };
	await using aggregator = await Aggregator.start({
		artifact,
		runtime: nodeRuntime,
		broker,
		settings,
		exchange,
		replayOnly: true,
	});
	const { digest, rounds } = await replayedRun(aggregator);
	t.deepEqual(
		rounds.map(({ round, identical }) => [round, identical]),
		[1, 2, 3].map((round) => [round, true]),
	);
	t.is(log.end, end, "a replay writes nothing");
	return { digest, weights: rounds.map((round) => round.digest) };
}

withNats(
	"roles in processes of their own on NATS train to the bits of one process; killed ingress, aggregator and server change nothing",
	async (t) => {
		await using servers = await NatsServers.start();
		const options = { servers: servers.urls, settings } as const;
		await using first = start({ role: "aggregator", ...options });
		await first.next("owned");
		await using second = start({ role: "aggregator", ...options });
		await second.next("connected");
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
		t.is((await replay(t, servers.urls)).digest, result.digest);
	},
);

withNats(
	"two partitions merge after every leg: a killed aggregator's is taken over, both end with the same weights, and their logs give the same again",
	async (t) => {
		await using servers = await NatsServers.start();
		const partitions = 2;
		const devices = 4;
		const shares = Array.from({ length: devices }, (_, i) => partitionOf(`device-${i + 1}`, partitions));
		t.deepEqual(shares.sort(), [0, 0, 1, 1], "two devices each");
		const options = {
			servers: servers.urls,
			partitions,
			settings: { ...settings, minDevices: 2, averageEvery: 2 },
		} as const;
		await using first = start({ role: "aggregator", ...options });
		await using second = start({ role: "aggregator", ...options });
		// Whoever was first may have had both, and gave one to the other.
		await Promise.all([first.next("owned"), second.next("owned")]);
		await using ingress = start({ role: "ingress", ...options });
		const { url } = await ingress.next<{ url: string }>("listening");
		const fleet = new EventReader<FleetEvent>(
			runFleet({ url, devices, data: smallFleetData, seed: 5, runtime: nodeRuntime, answerTimeoutMs }),
		);
		t.deepEqual((await second.next<{ partitions: number[] }>("merged")).partitions, [0, 1]);
		await first.kill();
		const results = [await second.next<Result>("result"), await second.next<Result>("result")];
		await fleet.done;
		t.like(fleet.events.at(-1), { type: "finished", devices, failed: 0 });
		for (const result of results) t.like(result, { rounds: 3, reason: "finished", counts: { lost: 0, doubled: 0 } });
		const replays = [await replay(t, servers.urls, 0, 2), await replay(t, servers.urls, 1, 2)];
		t.deepEqual(replays.map(({ digest }) => digest).sort(), results.map(({ digest }) => digest).sort());
		t.deepEqual(replays[0]?.weights, replays[1]?.weights, "after every round both have the same weights");
		t.is(new Set(replays[0]?.weights).size, 3);
	},
);
