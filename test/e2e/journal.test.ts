import { copyFile, readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
	Aggregator,
	type AggregatorEvent,
	type AggregatorSettings,
	artifactDigest,
	openFileJournal,
} from "@psgl/cloud";
import { type FleetEvent, runFleet } from "@psgl/firmware-sim";
import { seededRandom } from "@psgl/sdk";
import { sha256 } from "@psgl/sdk/artifact";
import type { Strategy } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test, { type ExecutionContext } from "ava";
import { Child } from "../helpers/child.js";
import { type Cloud, startCloud } from "../helpers/cloud.js";
import { EventReader } from "../helpers/event-reader.js";
import { replayedRun } from "../helpers/replayed-run.js";
import { type Labels, smallFleetData, smallModel } from "../helpers/small-model.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

interface Result {
	readonly rounds: number;
	readonly reason: string;
	readonly counts: { readonly lost: number; readonly doubled: number };
	readonly digest: string;
}

/** A run whose cloud is killed after some of the devices' steps; the devices live on. */
async function train(
	t: ExecutionContext,
	settings: AggregatorSettings,
	kills: number,
	checkpoints: boolean,
	labels: Labels,
) {
	const folder = await temporaryFolder(t);
	const journal = join(folder, "journal");
	const checkpoint = checkpoints ? join(folder, "checkpoint") : "";
	const random = seededRandom(7);
	const start = (port: string) =>
		new Child("cloud-process.js", [port, checkpoint, JSON.stringify(settings), journal, labels]);
	let cloud = start("0");
	const { url } = await cloud.next<{ url: string }>("listening");
	const fleet = new EventReader<FleetEvent>(
		runFleet({ url, devices: 3, data: smallFleetData, seed: 5, runtime: nodeRuntime }),
	);
	for (let kill = 0; kill < kills; kill++) {
		for (let steps = 3 + random.integer(6); steps > 0; ) {
			const { event } = await fleet.next("device");
			if (event.type === "step") steps--;
		}
		await cloud.kill();
		cloud = start(new URL(url).port);
	}
	const result = await cloud.next<Result>("result");
	await fleet.done;
	await cloud.kill();
	if (checkpoints) {
		// The one before it, and a longer way through the journal, come to the same.
		const bytes = await readFile(checkpoint);
		bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
		await writeFile(checkpoint, bytes);
		await using again = start("0");
		t.is((await again.next<Result>("result")).digest, result.digest);
	}
	t.like(fleet.events.at(-1), { type: "finished", devices: 3, failed: 0 });
	t.like(result, { rounds: 3, reason: "finished", counts: { lost: 0, doubled: 0 } });
	const offline = fleet.events.filter((each) => each.type === "device" && each.event.type === "offline");
	t.true(kills === 0 || offline.length >= 3, "every device lost its link");
	return { journal, result };
}

/** Makes a whole run again from its journal alone, or what came after a checkpoint. */
async function replay(folder: string, settings: AggregatorSettings, labels: Labels, checkpointFile?: string) {
	const { joint: artifact } = await smallModel("none", { labels });
	await using log = await openFileJournal({ folder, run: await artifactDigest(artifact) });
	const broker = { log, maxMessageBytes: 1_000_000, send: async () => false };
	const end = log.end;
	await using aggregator = await Aggregator.start({
		artifact,
		runtime: nodeRuntime,
		broker,
		settings,
		checkpointFile,
		replayOnly: true,
	});
	return { ...(await replayedRun(aggregator)), written: log.end - end };
}

for (const [strategy, labels, window] of [
	["splitfed-v2", "shared", 1],
	["splitfed-v2", "shared", 3],
	["splitfed-v1", "shared", 1],
	["sequential", "shared", 1],
	["splitfed-v2", "device", 1],
] satisfies [Strategy, Labels, number][]) {
	test(`${strategy}, labels ${labels}, ${window} in flight: killed in mid-round again and again, the cloud goes on in mid-round; the journal gives the same bits`, async (t) => {
		const settings = { rounds: 3, minDevices: 3, batchSize: 4, strategy, window } as const;
		const undisturbed = await train(t, settings, 0, true, labels);
		const killed = await train(t, settings, 3, strategy !== "splitfed-v1", labels);
		t.is(killed.result.digest, undisturbed.result.digest);
		for (const { journal } of [undisturbed, killed]) {
			const again = await replay(journal, settings, labels);
			t.is(again.digest, undisturbed.result.digest);
			t.deepEqual(
				again.rounds.map(({ round, identical }) => [round, identical]),
				[1, 2, 3].map((round) => [round, true]),
			);
			t.is(again.written, 0);
		}
	});
}

test("a cloud that comes back between rounds waits for the devices it had: the next round is not the first one's alone", async (t) => {
	const { joint } = await smallModel();
	const journal = join(await temporaryFolder(t), "journal");
	const train = async (rounds: number) => {
		await using cloud = await startCloud(joint, { rounds, minDevices: 3, batchSize: 4 }, { journal });
		const events = new EventReader<AggregatorEvent>(cloud.aggregator.events());
		const fleet = new EventReader<FleetEvent>(
			runFleet({ url: cloud.url, devices: 3, data: smallFleetData, seed: 5, runtime: nodeRuntime }),
		);
		await fleet.done;
		await cloud.aggregator.result;
		return events.events.flatMap((event) => (event.type === "round-started" ? [[event.round, event.devices]] : []));
	};
	t.deepEqual(await train(1), [[1, 3]]);
	t.deepEqual(await train(2), [
		[1, 3],
		[2, 3],
	]);
});

/** A run in this process with a journal and a checkpoint. @param during called once the cloud listens */
async function trainHere(
	{ journal, checkpointFile }: { readonly journal: string; readonly checkpointFile: string },
	settings: AggregatorSettings,
	during: (cloud: Cloud) => Promise<void> = async () => undefined,
): Promise<string> {
	const { joint } = await smallModel();
	await using cloud = await startCloud(joint, settings, { journal, checkpointFile });
	const told = during(cloud);
	const fleet = runFleet({ url: cloud.url, devices: 3, data: smallFleetData, seed: 5, runtime: nodeRuntime });
	await new EventReader<FleetEvent>(fleet).done;
	await told;
	return sha256((await cloud.aggregator.result).artifact);
}

test("a checkpoint asked for in the middle of a round leads to the same bits as the rest of the journal", async (t) => {
	const folder = await temporaryFolder(t);
	const files = { journal: join(folder, "journal"), checkpointFile: join(folder, "checkpoint") };
	const asked = join(folder, "asked");
	const settings = { rounds: 2, minDevices: 3, batchSize: 4 };
	const digest = await trainHere(files, settings, async ({ aggregator, events }) => {
		while ((await events.next("step")).round < 2);
		await aggregator.checkpoint(asked);
	});
	const again = await replay(files.journal, settings, "shared", asked);
	t.deepEqual(
		again.rounds.map(({ round, identical }) => [round, identical]),
		[[2, true]],
	);
	t.is(again.digest, digest);
});

test("a journal that lost its end behind the checkpoint: what comes after it is found again", async (t) => {
	const folder = await temporaryFolder(t);
	const files = { journal: join(folder, "journal"), checkpointFile: join(folder, "checkpoint") };
	const settings = { minDevices: 3, batchSize: 4 };
	await trainHere(files, { ...settings, rounds: 1 });
	const [segment = ""] = (await readdir(files.journal)).filter((name) => name.endsWith(".journal"));
	const file = join(files.journal, segment);
	await truncate(file, Math.floor((await stat(file)).size / 2));
	const first = join(folder, "first");
	const digest = await trainHere(files, { ...settings, rounds: 2 }, () => copyFile(files.checkpointFile, first));
	const again = await replay(files.journal, { ...settings, rounds: 2 }, "shared", first);
	t.deepEqual(
		again.rounds.map(({ round, identical }) => [round, identical]),
		[[2, true]],
	);
	t.is(again.digest, digest);
});
