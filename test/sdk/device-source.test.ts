import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Device, type DeviceEvent } from "@psgl/sdk";
import { artifactTensor } from "@psgl/sdk/artifact";
import type { ClientWeights } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type MemoryRecords, memoryDeviceStore } from "@psgl/sdk/store";
import test from "ava";
import { EventReader } from "../helpers/event-reader.js";
import { gradientFor, trainRound } from "../helpers/rounds.js";
import { ScriptedAggregator } from "../helpers/scripted-aggregator.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

const id = "ward-3-pi";
const train = smallDataset(10);

/** The store of a device that was cut off after the first batch of a round, and its session. */
async function midRound(aggregator: ScriptedAggregator) {
	const records: MemoryRecords = new Map();
	const device = await Device.connect({
		url: aggregator.url,
		id,
		runtime: nodeRuntime,
		data: { train },
		store: memoryDeviceStore(records),
	});
	const { session } = await aggregator.expect("hello");
	await aggregator.enrol({ device: id, artifacts: [] });
	const events = new EventReader<DeviceEvent>(device.train());
	await aggregator.expect("resume");
	await aggregator.send(trainRound(id));
	await aggregator.send(gradientFor(await aggregator.expect("batch")));
	await aggregator.expect("batch");
	const copy = new Map(records);
	await device.close();
	await events.done.catch(() => undefined);
	await aggregator.expect("bye");
	return { records: copy, session };
}

/** A device that connects without samples, and what it says first. */
async function connectWithout(aggregator: ScriptedAggregator, records: MemoryRecords) {
	const device = await Device.connect({ url: aggregator.url, id, store: memoryDeviceStore(records) });
	const hello = await aggregator.expect("hello");
	await aggregator.enrol(hello);
	return { device, hello };
}

test("a device that is given its samples when it trains introduces itself anew and goes on where it was", async (t) => {
	const { client } = await smallModel();
	await using aggregator = await ScriptedAggregator.start(client);
	aggregator.enrols = false;
	const { records, session } = await midRound(aggregator);
	const { device, hello } = await connectWithout(aggregator, records);
	t.like(hello, { session, samples: { train: 0, validation: 0 } });
	await device.ready();
	const events = new EventReader<DeviceEvent>(device.train(train));
	const second = await aggregator.expect("hello");
	t.like(second, { session, samples: { train: 10, validation: 0 } });
	await aggregator.enrol(second);
	t.like(await events.next("restored"), { epoch: 0, seq: 1 });
	await t.throwsAsync(device.train(train).next(), { code: "PSGL_DEVICE_BUSY" });
	await device.close();
	await t.throwsAsync(events.done, { code: "PSGL_DEVICE_CLOSED" });
	await t.throwsAsync(device.train(train).next(), { code: "PSGL_DEVICE_OPTIONS" });
});

test("a device that lost its place in a round before it was given its samples says that it forgot", async (t) => {
	const { client, joint } = await smallModel();
	await using aggregator = await ScriptedAggregator.start(client);
	aggregator.enrols = false;
	const { records, session } = await midRound(aggregator);
	// From version 2 on a device reports its model after each welcome: all before it has been handled then.
	aggregator.terms = { protocol: 2 };
	const { device, hello } = await connectWithout(aggregator, records);
	t.is(hello.session, session);
	const [params, stats, head] = (["params", "stats", "head"] as const).map((name) =>
		artifactTensor(joint, `client/${name}`),
	) as [ClientWeights["params"], ClientWeights["stats"], ClientWeights["head"]];
	await aggregator.send(trainRound(id, { task: "validate", epoch: 1, model: 7, tensors: { params, stats, head } }));
	await aggregator.enrol(hello);
	for (let welcome = 0; welcome < 2; welcome++) await aggregator.expect("health");
	const events = new EventReader<DeviceEvent>(device.train(train));
	const second = await aggregator.expect("hello");
	t.not(second.session, session);
	t.is(second.samples.train, 10);
	await device.close();
	await t.throwsAsync(events.done, { code: "PSGL_DEVICE_CLOSED" });
});

test("a kit is read from its file; without one, a link and a name are needed", async (t) => {
	const folder = await temporaryFolder(t);
	await t.throwsAsync(Device.connect({ kit: join(folder, "none.json") }), { code: "PSGL_KIT" });
	await writeFile(join(folder, "kit.json"), "{}");
	await t.throwsAsync(Device.connect({ kit: join(folder, "kit.json") }), { code: "PSGL_KIT" });
	await t.throwsAsync(Device.connect({}), { code: "PSGL_DEVICE_OPTIONS" });
});
