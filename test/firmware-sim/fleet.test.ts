import { dealSplits, type FleetEvent, type FleetOptions, phantomSplits, runFleet } from "@psgl/firmware-sim";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Dataset } from "@psgl/sdk/sources";
import test from "ava";
import { EventReader } from "../helpers/event-reader.js";
import { gradientFor, trainRound } from "../helpers/rounds.js";
import { ScriptedAggregator } from "../helpers/scripted-aggregator.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";

const data = {
	name: "small",
	synthetic: true,
	train: smallDataset(24),
	validation: smallDataset(9, 2),
	test: smallDataset(4, 3),
};

test("deals every sample to one device, and the same seed deals the same way", (t) => {
	const splits = phantomSplits({ seed: 1, train: 60, validation: 20, test: 10 });
	for (const deal of ["iid", { dirichlet: 0.3 }] as const) {
		const shares = dealSplits(splits, 4, deal, 7);
		t.is(
			shares.reduce((sum, share) => sum + share.train.length, 0),
			60,
		);
		t.is(
			shares.reduce((sum, share) => sum + (share.validation?.length ?? 0), 0),
			20,
		);
		const labels = (seed: number) => dealSplits(splits, 4, deal, seed).map((share) => [...share.train.labels]);
		t.deepEqual(labels(7), labels(7));
		t.notDeepEqual(labels(7), labels(8));
	}
});

test("deals by patient, and gives validation samples to as many devices as there are", (t) => {
	const { shape, classes, labels, samples } = data.train;
	const records = Int32Array.from({ length: 24 }, (_, i) => Math.floor(i / 4));
	const train = new Dataset({ shape, classes, labels, samples, records });
	const shares = dealSplits({ ...data, train, validation: smallDataset(2) }, 3, "patient", 1);
	const holders = new Map<number, number>();
	for (const [device, share] of shares.entries()) {
		for (const record of share.train.records ?? []) {
			t.is(holders.get(record) ?? device, device, "no patient on two devices");
			holders.set(record, device);
		}
	}
	t.is(holders.size, 6);
	t.deepEqual(
		shares.map((share) => share.validation?.length),
		[1, 1, undefined],
	);
});

/** A fleet at a scripted aggregator that lets every device do one round of one step. */
async function fleetAt(aggregator: ScriptedAggregator, options: Partial<FleetOptions> = {}) {
	return new EventReader<FleetEvent>(
		runFleet({ url: aggregator.url, devices: 3, data, seed: 1, runtime: nodeRuntime, ...options }),
	);
}

test("runs devices on connections of their own until training ends, and counts steps and bytes", async (t) => {
	const { client } = await smallModel();
	await using aggregator = await ScriptedAggregator.start(client);
	const events = await fleetAt(aggregator);
	const seen: string[] = [];
	for (let ended = 0; ended < 3; ) {
		const message = await aggregator.next();
		const { device } = message;
		if (message.type === "resume") await aggregator.send(trainRound(device, { steps: 1 }));
		if (message.type === "batch") {
			seen.push(device);
			await aggregator.send(gradientFor(message));
		}
		if (message.type === "weights") {
			await aggregator.send({ type: "received", device, of: "weights", epoch: 0, seq: 0 });
			await aggregator.send({ type: "end", device, reason: "finished", epoch: 0, model: 0 });
			ended++;
		}
	}
	await events.done;
	t.deepEqual(seen.sort(), ["device-1", "device-2", "device-3"]);
	const dealt = events.events.filter((event) => event.type === "dealt");
	t.deepEqual(
		dealt.map(({ train, validation, classCounts }) => [train, validation, classCounts.length]),
		[
			[8, 3, 2],
			[8, 3, 2],
			[8, 3, 2],
		],
	);
	t.is(events.types.filter((type) => type === "connected").length, 3);
	const finished = events.events.at(-1);
	t.like(finished, { type: "finished", devices: 3, failed: 0, steps: 3 });
	t.true(finished?.type === "finished" && finished.bytesUp > 3000 && finished.bytesDown > client.length);
});

test("goes on without a device that fails, and fails when all do", async (t) => {
	const { client } = await smallModel();
	await using aggregator = await ScriptedAggregator.start(client);
	aggregator.enrols = false;
	const refusal = { type: "refused", of: "hello", code: "PSGL_TEST", what: "not you", retry: false } as const;
	const events = await fleetAt(aggregator, { devices: 2 });
	for (let hellos = 0; hellos < 2; ) {
		const message = await aggregator.next();
		if (message.type !== "hello") continue;
		hellos++;
		if (message.device === "device-1") await aggregator.send({ device: "device-1", ...refusal });
		else await aggregator.enrol(message);
	}
	t.is((await events.next("failed")).device, "device-1");
	for (;;) if ((await aggregator.next()).type === "resume") break;
	await aggregator.send({ type: "end", device: "device-2", reason: "stopped", epoch: 0, model: 0 });
	await events.done;
	t.like(events.events.at(-1), { type: "finished", devices: 1, failed: 1 });

	const failing = await fleetAt(aggregator, { devices: 1 });
	for (;;) if ((await aggregator.next()).type === "hello") break;
	await aggregator.send({ device: "device-1", ...refusal });
	await t.throwsAsync(failing.done, { code: "PSGL_TEST" });
});

test("stops when aborted, and when its reader leaves", async (t) => {
	const { client } = await smallModel();
	await using aggregator = await ScriptedAggregator.start(client);
	const controller = new AbortController();
	const events = await fleetAt(aggregator, { signal: controller.signal });
	await events.next("connected");
	controller.abort(new Error("enough"));
	await t.throwsAsync(events.done, { message: "enough" });

	const fleet = runFleet({ url: aggregator.url, devices: 2, data, seed: 1, runtime: nodeRuntime });
	for await (const event of fleet) if (event.type === "connected") break;
	t.pass("and closes its devices");
});
