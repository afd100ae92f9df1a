import { createMemoryLog, type Log } from "@psgl/cloud";
import { clientHalf, compileArtifact } from "@psgl/models";
import {
	ClientSegmentCache,
	ConnectionError,
	Device,
	type DeviceEvent,
	type DeviceOptions,
	type DeviceStore,
	deviceLastWill,
	seededRandom,
	systemClock,
} from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Dataset } from "@psgl/sdk/sources";
import { type MemoryRecords, memoryDeviceStore, openDeviceStore } from "@psgl/sdk/store";
import { mqttTransport } from "@psgl/sdk/transport/mqtt";
import test from "ava";
import { AnsweringAggregator } from "../helpers/answering-aggregator.js";
import { areas, areasDefinition } from "../helpers/areas.js";
import { EventReader } from "../helpers/event-reader.js";
import { failingStore } from "../helpers/failing-store.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { gradientFor, trainRound } from "../helpers/rounds.js";
import { ScriptedAggregator, type Terms } from "../helpers/scripted-aggregator.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

const id = "ward-3-pi";
const data = { train: smallDataset(10), validation: smallDataset(6, 2) };
const plan = [
	{ epoch: 1, task: "train" },
	{ epoch: 1, task: "validate" },
	{ epoch: 2, task: "train" },
	{ epoch: 2, task: "validate" },
] as const;
const robust: Terms = { robustBudget: 0.1, mapBudget: 1 };
const segments = new ClientSegmentCache({ runtime: nodeRuntime });

test.after.always(() => segments.close());

/** A device that can be cut off as by a kill: nothing of it is heard again, and its last words are not said. */
async function startDevice(url: string, store: DeviceStore, options: Partial<DeviceOptions> = {}) {
	const lastWill = deviceLastWill(id, systemClock);
	const transport = mqttTransport({ url, clientId: id, lastWill, clock: systemClock, random: seededRandom(1) });
	const device = await Device.connect({ id, transport, segments, data, store, answerTimeoutMs: 60_000, ...options });
	const events = new EventReader<DeviceEvent>(device.train());
	const cut = async () => {
		await transport.close();
		await device.close();
	};
	return { device, events, cut };
}

async function undisturbed(client: Uint8Array) {
	await using aggregator = await ScriptedAggregator.start(client, robust);
	const leader = new AnsweringAggregator(aggregator, id, plan);
	const { device, events } = await startDevice(aggregator.url, memoryDeviceStore());
	await events.done;
	await device.close();
	return leader;
}

test("power lost before any of its writes: the device goes on, sends the same batches and ends with the same weights", async (t) => {
	const { client } = await smallModel("robust");
	const expected = await undisturbed(client);
	t.is(expected.first.size, 2 * (3 + 1 + 2));
	let copies = 0;
	let finished = false;
	let writes = 0;
	for (; !finished; writes++) {
		await using aggregator = await ScriptedAggregator.start(client, robust);
		const leader = new AnsweringAggregator(aggregator, id, plan);
		const records: MemoryRecords = new Map();
		const { store, failure } = failingStore(records, writes);
		const connecting = startDevice(aggregator.url, store);
		const first = await Promise.race([connecting, failure]);
		if (first !== "failed") finished = (await Promise.race([first.events.done, failure])) !== "failed";
		// The very first write is made before it connects: then there is nothing to cut.
		if (writes > 0) await (await connecting).cut();
		if (!finished) {
			const second = await startDevice(aggregator.url, memoryDeviceStore(records));
			await second.events.done;
			await second.device.close();
		}
		t.deepEqual(leader.weights, expected.weights, `after ${writes} writes`);
		t.deepEqual(leader.first, expected.first, `after ${writes} writes`);
		t.deepEqual(leader.changed, [], `after ${writes} writes`);
		copies += leader.copies;
	}
	t.log(`${writes - 1} places to fail at, ${copies} messages sent again`);
	t.true(writes > 25);
	t.true(copies > 0);
});

test("a device on disk remembers its session, its artifact and its place; the same bytes go out again", async (t) => {
	const folder = await temporaryFolder(t);
	const { client } = await smallModel("robust");
	await using aggregator = await ScriptedAggregator.start(client, robust);
	aggregator.enrols = false;
	const first = await startDevice(aggregator.url, await openDeviceStore(folder));
	const hello = await aggregator.expect("hello");
	t.deepEqual(hello.artifacts, []);
	await aggregator.enrol(hello);
	await aggregator.expect("resume");
	await aggregator.send(trainRound(id));
	await aggregator.send(gradientFor(await aggregator.expect("batch")));
	const unanswered = await aggregator.expect("batch");
	await first.cut();

	await using store = await openDeviceStore(folder);
	const second = await startDevice(aggregator.url, store);
	const again = await aggregator.expect("hello");
	t.is(again.session, hello.session);
	t.deepEqual(again.artifacts, [aggregator.digest]);
	t.is(second.device.artifact, aggregator.digest, "it can run before anyone has answered");
	await aggregator.enrol(again);
	t.like(await second.events.next("restored"), { epoch: 0, task: "train", seq: 1 });
	t.like(await aggregator.expect("resume"), { awaiting: "gradient", epoch: 0, seq: 1 });
	await aggregator.send({
		type: "refused",
		device: id,
		of: "batch",
		epoch: 0,
		seq: 1,
		code: "PSGL_BATCH_MISSING",
		what: "not here",
		retry: true,
	});
	t.deepEqual(await aggregator.expect("batch"), unanswered);
	await second.device.close();
});

test("a device that was away while the aggregator went on has its old message refused and takes part in the new round", async (t) => {
	const { client } = await smallModel();
	const records: MemoryRecords = new Map();
	await using aggregator = await ScriptedAggregator.start(client);
	const first = await startDevice(aggregator.url, memoryDeviceStore(records));
	await aggregator.expect("resume");
	await aggregator.send(trainRound(id, { epoch: 1 }));
	await aggregator.send(gradientFor(await aggregator.expect("batch")));
	const old = await aggregator.expect("batch");
	await first.cut();

	const second = await startDevice(aggregator.url, memoryDeviceStore(records));
	t.like(await aggregator.expect("resume"), { awaiting: "gradient", epoch: 1, seq: 1 });
	const over = { type: "refused", device: id, epoch: 1, code: "PSGL_ROUND_OVER", what: "over", retry: false } as const;
	await aggregator.send({ ...over, of: "batch", seq: 1 });
	const weights = await aggregator.expect("weights");
	t.is(weights.samples, 4, "it tells of the one step it made");
	await aggregator.send({ ...over, of: "weights" });
	t.like(await aggregator.expect("resume"), { awaiting: "round" });
	const tensors = { ...weights.tensors, params: { ...weights.tensors.params } };
	await aggregator.send(trainRound(id, { epoch: 40, model: 40, tensors }));
	const batch = await aggregator.expect("batch");
	t.deepEqual([batch.epoch, batch.seq, batch.model], [40, 0, 40]);
	t.notDeepEqual(batch.tensors.smashed, old.tensors.smashed);
	await second.device.close();
});

test("another artifact, other batches or other samples: the place in the round is given up, never mixed", async (t) => {
	const { client } = await smallModel();
	const other = await smallModel("none", { seed: 2 });
	const changes: readonly [string, Uint8Array, Terms, Partial<DeviceOptions>, boolean][] = [
		["artifact", other.client, {}, {}, true],
		["batch size", client, { batchSize: 5 }, {}, true],
		["samples", client, {}, { data: { train: smallDataset(12) } }, false],
	];
	for (const [what, bytes, terms, options, sameSession] of changes) {
		const records: MemoryRecords = new Map();
		await using before = await ScriptedAggregator.start(client);
		const first = await startDevice(before.url, memoryDeviceStore(records));
		await before.expect("resume");
		await before.send(trainRound(id));
		await before.send(gradientFor(await before.expect("batch")));
		await before.expect("batch");
		await first.cut();
		const session = Buffer.from(records.get("device") as Uint8Array).toString("hex");
		await using after = await ScriptedAggregator.start(bytes, terms);
		const second = await startDevice(after.url, memoryDeviceStore(records), options);
		t.like(await after.expect("resume"), { awaiting: "round" }, what);
		t.is(Buffer.from(records.get("device") as Uint8Array).toString("hex") === session, sameSession, what);
		t.false(
			[...records.keys()].some((key) => key.startsWith("outbox/")),
			what,
		);
		await second.device.close();
	}
});

test("samples are other samples when one value of one of them is another, also with the same labels", async (t) => {
	const { client } = await smallModel();
	const records: MemoryRecords = new Map();
	const same = () => smallDataset(12);
	const changed = same();
	changed.samples[5] = 0.99 - (changed.samples[5] as number);
	const sessions: string[] = [];
	for (const train of [same(), same(), changed]) {
		await using aggregator = await ScriptedAggregator.start(client);
		const { device } = await startDevice(aggregator.url, memoryDeviceStore(records), { data: { train } });
		await aggregator.expect("resume");
		sessions.push(Buffer.from(records.get("device") as Uint8Array).toString("hex"));
		await device.close();
	}
	t.is(sessions[1], sessions[0]);
	t.not(sessions[2], sessions[0]);
});

test("samples are other samples when any of several labels is another one", async (t) => {
	const joint = await compileArtifact(areasDefinition("none"), { name: "areas", random: seededRandom(1) });
	const client = await clientHalf(joint);
	const records: MemoryRecords = new Map();
	const train = areas(12, 1);
	const targets = Uint8Array.from(train.targets as Uint8Array);
	const twice = train.labels.indexOf(0);
	// The first label that applies to the sample stays the first.
	targets[3 * twice + 2] = 1 - (targets[3 * twice + 2] as number);
	const changed = new Dataset({ ...train, targets });
	const sessions: string[] = [];
	for (const data of [train, train, changed]) {
		await using aggregator = await ScriptedAggregator.start(client);
		const { device } = await startDevice(aggregator.url, memoryDeviceStore(records), { data: { train: data } });
		await aggregator.expect("resume");
		sessions.push(Buffer.from(records.get("device") as Uint8Array).toString("hex"));
		await device.close();
	}
	t.is(sessions[1], sessions[0]);
	t.not(sessions[2], sessions[0]);
});

test("a store of another device is refused", async (t) => {
	const { client } = await smallModel();
	const records: MemoryRecords = new Map();
	await using aggregator = await ScriptedAggregator.start(client);
	const { device } = await startDevice(aggregator.url, memoryDeviceStore(records));
	await device.close();
	const connecting = Device.connect({ url: aggregator.url, id: "b", segments, store: memoryDeviceStore(records) });
	await t.throwsAsync(connecting, { code: "PSGL_STORE_DEVICE" });
});

test("a full outbox stops training with an error and loses nothing", async (t) => {
	const { client } = await smallModel();
	const records: MemoryRecords = new Map();
	await using aggregator = await ScriptedAggregator.start(client);
	const small = await startDevice(aggregator.url, memoryDeviceStore(records), { maxOutboxBytes: 100 });
	await aggregator.expect("resume");
	await aggregator.send(trainRound(id, { epoch: 2 }));
	await t.throwsAsync(small.events.done, { code: "PSGL_OUTBOX_FULL" });
	t.is(aggregator.pending, 0, "nothing was sent");
	await small.cut();
	const roomy = await startDevice(aggregator.url, memoryDeviceStore(records));
	t.like(await aggregator.expect("batch"), { epoch: 2, seq: 0 });
	await roomy.device.close();
});

test("a message without an answer for too long stops training with an error, and is sent again by the next start", async (t) => {
	const { client } = await smallModel();
	const records: MemoryRecords = new Map();
	const clock = new ManualClock();
	await using aggregator = await ScriptedAggregator.start(client);
	const limits = { clock, answerTimeoutMs: 10_000, maxOutboxAgeMs: 25_000 };
	const first = await startDevice(aggregator.url, memoryDeviceStore(records), limits);
	await aggregator.expect("resume");
	await aggregator.send(trainRound(id));
	const unanswered = await aggregator.expect("batch");
	await clock.advance(10_000);
	await first.events.next("asked-again");
	await aggregator.expect("resume");
	await clock.advance(20_000);
	await t.throwsAsync(first.events.done, { code: "PSGL_OUTBOX_EXPIRED" });
	await first.cut();
	const second = await startDevice(aggregator.url, memoryDeviceStore(records), limits);
	await aggregator.expect("resume");
	await aggregator.send(gradientFor(unanswered));
	t.is((await second.events.next("step")).seq, 0, "an answer that comes late still counts");
	await second.device.close();
});

test("power lost with half a batch's chunks sent: all of it comes, with the same bytes, once", async (t) => {
	const { client } = await smallModel();
	const records: MemoryRecords = new Map();
	const log = createMemoryLog();
	let chunks = 0;
	let restarted = false;
	let cut = () => {};
	const half = new Promise<void>((resolve) => {
		cut = resolve;
	});
	// The broker takes one chunk, and no other before the device's restart.
	const append: Log["append"] = async (entry, options) => {
		if (entry.length < 8_000 || restarted || ++chunks < 2) return log.append(entry, options);
		cut();
		throw new ConnectionError("PSGL_LOG_CLOSED", { what: "cut off" });
	};
	const halting = new Proxy(log, {
		get: (target, name) => {
			if (name === "append") return append;
			const value = Reflect.get(target, name) as unknown;
			return typeof value === "function" ? value.bind(target) : value;
		},
	});
	const many = { train: smallDataset(400) };
	await using aggregator = await ScriptedAggregator.start(
		client,
		{ batchSize: 400, maxMessageBytes: 16_384 },
		{ log: halting },
	);
	const payloads: Uint8Array[] = [];
	aggregator.onPayload = (payload) => {
		if (payload.length > 8_000) payloads.push(payload);
	};
	const first = await startDevice(aggregator.url, memoryDeviceStore(records), { data: many });
	await aggregator.expect("resume");
	await aggregator.send(trainRound(id));
	await half;
	await first.cut();
	t.is(payloads.length, 1);
	restarted = true;
	const second = await startDevice(aggregator.url, memoryDeviceStore(records), { data: many });
	t.like(await aggregator.expect("resume"), { awaiting: "gradient", seq: 0 });
	const missing = { code: "PSGL_BATCH_MISSING", what: "not here", retry: true } as const;
	await aggregator.send({ type: "refused", device: id, of: "batch", epoch: 0, seq: 0, ...missing });
	const batch = await aggregator.expect("batch");
	t.is(batch.tensors.labels.data.length, 400);
	t.true(payloads.length > 3);
	t.true(
		payloads.slice(1).some((payload) => Buffer.from(payload).equals(payloads[0] as Uint8Array)),
		"the chunk that had arrived is the same again",
	);
	await aggregator.send(gradientFor(batch));
	t.is((await aggregator.expect("weights")).samples, 400);
	await second.device.close();
});
