import { createMemoryLog, startBroker } from "@psgl/cloud";
import { Device, type DeviceEvent } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { EventReader } from "../helpers/event-reader.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { gradientFor, trainRound } from "../helpers/rounds.js";
import { ScriptedAggregator } from "../helpers/scripted-aggregator.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";

const id = "ward-3-pi";

test("a broker restarted in mid-round: the device comes back, asks for its answer and goes on where it was", async (t) => {
	const { client } = await smallModel();
	const before = await ScriptedAggregator.start(client);
	const { port, url } = before.broker;
	await using device = await Device.connect({ url, id, runtime: nodeRuntime, data: { train: smallDataset(10) } });
	const events = new EventReader<DeviceEvent>(device.train());
	await before.expect("resume");
	await before.send(trainRound(id));
	await before.send(gradientFor(await before.expect("batch")));
	const unanswered = await before.expect("batch");
	await before.close();
	await events.next("offline");

	await using after = await ScriptedAggregator.start(client, {}, { port });
	await events.next("online");
	const resume = await after.expect("resume");
	t.like(resume, { awaiting: "gradient", epoch: 0, seq: 1 });
	await after.send(gradientFor(unanswered));
	t.is((await events.next("step")).seq, 1);
	const third = await after.expect("batch");
	t.is(third.seq, 2);
	await after.send(gradientFor(third));
	t.is((await after.expect("weights")).samples, 10, "no batch was lost or done twice");
	t.is(events.types.filter((type) => type === "step").length, 3);
	t.is(events.types.filter((type) => type === "artifact").length, 1, "it kept its model");
});

test("an aggregator that comes back with another artifact: the device takes it and waits for a round", async (t) => {
	const first = await smallModel("none", { seed: 1 });
	const second = await smallModel("none", { seed: 2 });
	const before = await ScriptedAggregator.start(first.client);
	const { port, url } = before.broker;
	await using device = await Device.connect({ url, id, runtime: nodeRuntime, data: { train: smallDataset(10) } });
	const events = new EventReader<DeviceEvent>(device.train());
	await before.expect("resume");
	await before.send(trainRound(id));
	await before.expect("batch");
	await before.close();

	await using after = await ScriptedAggregator.start(second.client, {}, { port });
	t.is((await after.expect("resume")).awaiting, "round");
	t.is(device.artifact, after.digest);
	await after.send(trainRound(id, { epoch: 5 }));
	const batch = await after.expect("batch");
	t.deepEqual([batch.epoch, batch.seq], [5, 0]);
	t.is(events.types.filter((type) => type === "artifact").length, 2);
});

test("a device that vanishes is marked as offline by its last will", async (t) => {
	const { client } = await smallModel();
	await using aggregator = await ScriptedAggregator.start(client);
	aggregator.enrols = false;
	const options = { url: aggregator.url, id, runtime: nodeRuntime };
	await using first = await Device.connect(options);
	const { session } = await aggregator.expect("hello");
	// A second run under the same id takes the first one's place, as after a crash the broker has not noticed.
	await using second = await Device.connect(options);
	for (;;) {
		const hello = await aggregator.expect("hello");
		if (hello.session === session) continue;
		t.not(hello.session, session);
		break;
	}
	t.true(aggregator.statuses.some((status) => status.state === "offline"));
	await first.close();
	t.is(second.id, id);
});

test("goodbyeTimeoutMs: a device that leaves waits so long for a broker that acknowledges nothing, and closes", async (t) => {
	const clock = new ManualClock();
	const log = createMemoryLog({ maxBytes: 10_000 });
	// A full log: what is published waits for room, and its acknowledgement with it.
	await log.append(new Uint8Array(10_000));
	await using broker = await startBroker({ port: 0, log });
	const device = await Device.connect({ url: broker.url, id: "ward-3", runtime: nodeRuntime, clock });
	const closed = device.close();
	let left = false;
	void closed.then(() => {
		left = true;
	});
	await clock.advance(1_999);
	t.false(left);
	while (!left) await clock.advance(1);
	t.true(clock.now() >= 2_000);
});
