import { join } from "node:path";
import { type FleetEvent, runFleet } from "@psgl/firmware-sim";
import { Device, type DeviceEvent, seededRandom } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { Child } from "../helpers/child.js";
import { startCloud } from "../helpers/cloud.js";
import { EventReader } from "../helpers/event-reader.js";
import { smallDataset, smallFleetData, smallModel } from "../helpers/small-model.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

/** Lets a test hold a device between two events. */
async function* gated(events: AsyncIterable<DeviceEvent>, gate: () => Promise<void>): AsyncGenerator<DeviceEvent> {
	for await (const event of events) {
		yield event;
		if (event.type === "step") await gate();
	}
}

test("a device killed in mid-round comes back with nothing and takes part again from the next round", async (t) => {
	const { joint } = await smallModel();
	await using cloud = await startCloud(joint, { rounds: 3, minDevices: 2, batchSize: 4, stepTimeoutMs: 60_000 });
	await using first = new Child("device-process.js", [cloud.url, "killed"]);
	await using steady = await Device.connect({
		url: cloud.url,
		id: "steady",
		runtime: nodeRuntime,
		data: { train: smallDataset(24), validation: smallDataset(8, 2) },
	});
	let open: () => void = () => undefined;
	const gate = new Promise<void>((resolve) => {
		open = resolve;
	});
	// The device that stays waits, so that the round cannot end before the other one is back.
	const events = new EventReader<DeviceEvent>(gated(steady.train(), () => gate));
	await first.next("step");
	await first.kill();
	await using second = new Child("device-process.js", [cloud.url, "killed"]);
	await second.next("artifact");
	open();
	const { counts, reason } = await cloud.aggregator.result;
	await events.done;
	t.is(reason, "finished");
	t.like(counts, { lost: 0, doubled: 0 });
	const rounds = cloud.events.events.filter((event) => event.type === "round");
	t.deepEqual(
		rounds.map((round) => round.devicesTrained),
		[1, 2, 2],
		"it is missing in the first round only",
	);
	await second.next("end");
});

test("broker and aggregator killed in mid-round: devices wait, and training goes on from the checkpoint", async (t) => {
	const folder = await temporaryFolder(t);
	const settings = JSON.stringify({ rounds: 3, minDevices: 3, batchSize: 4 });
	const checkpoint = join(folder, "checkpoint");
	await using before = new Child("cloud-process.js", ["0", checkpoint, settings]);
	const { url } = await before.next<{ url: string }>("listening");
	const fleet = new EventReader<FleetEvent>(
		runFleet({ url, devices: 3, data: smallFleetData, seed: 5, runtime: nodeRuntime }),
	);
	for (;;) {
		const { event } = await fleet.next("device");
		if (event.type === "step" && event.epoch === 2) break;
	}
	await before.kill();
	await using after = new Child("cloud-process.js", [new URL(url).port, checkpoint, settings]);
	const result = await after.next<{ rounds: number; reason: string; counts: object }>("result");
	await fleet.done;
	t.like(result, { rounds: 3, reason: "finished" });
	t.like(result.counts, { applied: 24, lost: 0, doubled: 0 }, "rounds 2 and 3 whole, round 1 not again");
	t.like(fleet.events.at(-1), { type: "finished", devices: 3, failed: 0 });
	const offline = fleet.events.filter((each) => each.type === "device" && each.event.type === "offline");
	t.is(offline.length, 3);
});

test("a device with a store, killed again and again: the trained model is the same to the last bit", async (t) => {
	const folder = await temporaryFolder(t);
	const { joint } = await smallModel("robust");
	const random = seededRandom(3);
	const train = async (store: string, kills: number) => {
		await using cloud = await startCloud(joint, { rounds: 4, batchSize: 4, stepTimeoutMs: 60_000 });
		for (let kill = 0; kill < kills; kill++) {
			await using child = new Child("device-process.js", [cloud.url, "ward-3", store]);
			const steps = random.integer(4);
			for (let step = 0; step < steps; step++) await child.next("step");
			await child.kill();
		}
		await using last = new Child("device-process.js", [cloud.url, "ward-3", store]);
		const { artifact, counts } = await cloud.aggregator.result;
		await last.next("end");
		return { artifact, counts };
	};
	const undisturbed = await train(join(folder, "undisturbed"), 0);
	const disturbed = await train(join(folder, "disturbed"), 10);
	t.like(disturbed.counts, { received: 24, applied: 24, refused: 0, lost: 0, doubled: 0 });
	t.deepEqual(disturbed.artifact, undisturbed.artifact);
});

test("a device with a store that comes back rounds later gives up its old round and trains with the new weights", async (t) => {
	const folder = await temporaryFolder(t);
	const { joint } = await smallModel();
	const settings = { rounds: 4, minDevices: 2, batchSize: 4, averageEvery: 0, stepTimeoutMs: 1_000 };
	await using cloud = await startCloud(joint, settings);
	await using first = new Child("device-process.js", [cloud.url, "killed", folder]);
	await using steady = await Device.connect({
		url: cloud.url,
		id: "steady",
		runtime: nodeRuntime,
		data: { train: smallDataset(24), validation: smallDataset(8, 2) },
	});
	let open: () => void = () => undefined;
	const gate = new Promise<void>((resolve) => {
		open = resolve;
	});
	let round = 0;
	const held = async function* () {
		for await (const event of steady.train()) {
			yield event;
			if (event.type === "round") round = event.epoch;
			// In the third round it waits for the one that was away.
			if (event.type === "step" && round >= 3) await gate;
		}
	};
	const events = new EventReader<DeviceEvent>(held());
	await first.next("step");
	await first.kill();
	for (let rounds = 0; rounds < 2; rounds++) await cloud.events.next("round");
	await using second = new Child("device-process.js", [cloud.url, "killed", folder]);
	await second.next("welcome");
	open();
	const { counts, reason } = await cloud.aggregator.result;
	await events.done;
	await second.next("end");
	t.is(reason, "finished");
	t.like(counts, { lost: 0, doubled: 0 });
	const trained = cloud.events.events.filter((event) => event.type === "round").map((each) => each.devicesTrained);
	t.is(trained.at(-1), 2, "it takes part again");
	t.deepEqual(trained.slice(0, 2), [1, 1], "two rounds went on without it");
});
