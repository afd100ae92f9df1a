import { Device, type DeviceEvent, type DeviceOptions, deviceLastWill, seededRandom, systemClock } from "@psgl/sdk";
import type { BatchMessage } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type MemoryRecords, memoryDeviceStore } from "@psgl/sdk/store";
import { mqttTransport } from "@psgl/sdk/transport/mqtt";
import test from "ava";
import { AnsweringAggregator } from "../helpers/answering-aggregator.js";
import { EventReader } from "../helpers/event-reader.js";
import { failingStore } from "../helpers/failing-store.js";
import { gradientFor, trainRound } from "../helpers/rounds.js";
import { ScriptedAggregator, type Terms } from "../helpers/scripted-aggregator.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";
import { trainingDevice } from "../helpers/training-device.js";

const id = "ward-3-pi";
const data = { train: smallDataset(26), validation: smallDataset(6, 2) };
/** Seven batches, the last one of two samples. */
const batches = 7;
const robust: Terms = { robustBudget: 0.1, mapBudget: 1, protocol: 2, window: 3 };

async function start(terms: Terms, options: Partial<DeviceOptions> = {}) {
	const { client } = await smallModel("robust");
	const run = await trainingDevice(client, { ...robust, ...terms }, { id, data, ...options });
	await run.aggregator.expect("resume");
	return run;
}

/** An answer that tells batches apart. */
function answer(batch: BatchMessage) {
	const gradient = gradientFor(batch);
	gradient.tensors.cutGradient.data.fill(0.1 * (1 + batch.seq));
	return gradient;
}

/** The smashed data of one round's batches and the weights it ends with, each group of batches answered in some order. */
async function round(window: number, order: (group: readonly BatchMessage[]) => readonly BatchMessage[]) {
	await using run = await start({ window });
	const { aggregator, events } = run;
	await aggregator.send(trainRound(id, { credit: batches }));
	const sent: BatchMessage[] = [];
	for (let first = 0; first < batches; first += window) {
		const group: BatchMessage[] = [];
		while (group.length < Math.min(window, batches - first)) group.push(await aggregator.expect("batch"));
		sent.push(...group);
		for (const batch of order(group)) await aggregator.send(answer(batch));
	}
	const { tensors } = await aggregator.expect("weights");
	const steps = events.events.flatMap((event) => (event.type === "step" ? [event.seq] : []));
	return { smashed: sent.map((batch) => batch.tensors.smashed.data), seqs: sent.map(({ seq }) => seq), tensors, steps };
}

test("as many batches as the window are in flight, and answers in any order are applied in the order of the batches", async (t) => {
	const straight = await round(3, (group) => group);
	const reversed = await round(3, (group) => group.toReversed());
	const inOrder = Array.from({ length: batches }, (_, i) => i);
	for (const { seqs, steps } of [straight, reversed]) t.deepEqual([seqs, steps], [inOrder, inOrder]);
	t.deepEqual(reversed.smashed, straight.smashed, "a batch is made with the same weights, whatever comes first");
	t.deepEqual(reversed.tensors, straight.tensors);
	const one = await round(1, (group) => group);
	for (const seq of [1, 2]) t.notDeepEqual(straight.smashed[seq], one.smashed[seq], "it is stale by the batches ahead");
	t.deepEqual(straight.smashed[0], one.smashed[0]);
});

test("no more leave than the aggregator has room for", async (t) => {
	await using run = await start({ window: 4 });
	const { aggregator } = run;
	await aggregator.send(trainRound(id, { credit: 2 }));
	const first = await aggregator.expect("batch");
	t.is((await aggregator.expect("batch")).seq, 1);
	await aggregator.send({ ...answer(first), credit: 3 });
	t.is((await aggregator.expect("batch")).seq, 2);
	t.is(aggregator.pending, 0);
	await aggregator.send({ type: "credit", device: id, epoch: 0, upTo: 5 });
	t.is((await aggregator.expect("batch")).seq, 3);
	t.is((await aggregator.expect("batch")).seq, 4);
	t.is(aggregator.pending, 0, "four of them have no answer");
});

test("one that is refused while another is in flight ends the round, when it is its turn", async (t) => {
	await using run = await start({ window: 3 });
	const { aggregator, events } = run;
	await aggregator.send(trainRound(id, { credit: batches }));
	const group = [];
	for (let i = 0; i < 3; i++) group.push(await aggregator.expect("batch"));
	const refusal = { code: "PSGL_BATCH_OUTLIER", what: "unlike the others", retry: false } as const;
	await aggregator.send({ type: "refused", device: id, of: "batch", epoch: 0, seq: 1, ...refusal });
	await aggregator.send(answer(group[0] as BatchMessage));
	const weights = await aggregator.expect("batch").catch(() => undefined);
	t.is(weights?.seq, 3, "made before the refusal's turn");
	t.is((await events.next("step")).seq, 0);
	t.is((await aggregator.expect("weights")).samples, 4);
});

test("an outbox too small for the window has fewer in flight, and loses nothing", async (t) => {
	const probe = await start({});
	await probe.aggregator.send(trainRound(id, { credit: batches }));
	const { tensors } = await probe.aggregator.expect("batch");
	await probe[Symbol.asyncDispose]();
	const bytes = tensors.smashed.data.byteLength + tensors.labels.data.byteLength;
	await using run = await start({ window: 4 }, { maxOutboxBytes: 2.5 * bytes });
	const { aggregator } = run;
	await aggregator.send(trainRound(id, { credit: batches }));
	const first = await aggregator.expect("batch");
	t.is((await aggregator.expect("batch")).seq, 1);
	t.is(aggregator.pending, 0);
	await aggregator.send(answer(first));
	t.is((await aggregator.expect("batch")).seq, 2);
});

test("a window out of range is refused", async (t) => {
	for (const window of [0, 9, 1.5]) {
		const connecting = Device.connect({ url: "mqtt://127.0.0.1:1", id, runtime: nodeRuntime, window });
		await t.throwsAsync(connecting, { code: "PSGL_DEVICE_OPTIONS" });
	}
});

const plan = [
	{ epoch: 1, task: "train", credit: 99 },
	{ epoch: 1, task: "validate" },
	{ epoch: 2, task: "train", credit: 99 },
] as const;

/** A device that can be cut off as by a kill. */
async function startWithStore(url: string, store: ReturnType<typeof memoryDeviceStore>) {
	const lastWill = deviceLastWill(id, systemClock);
	const transport = mqttTransport({ url, clientId: id, lastWill, clock: systemClock, random: seededRandom(1) });
	const device = await Device.connect({ id, transport, runtime: nodeRuntime, data, store, answerTimeoutMs: 60_000 });
	const events = new EventReader<DeviceEvent>(device.train());
	const cut = async () => {
		await transport.close();
		await device.close();
	};
	return { device, events, cut };
}

test("power lost before a write with batches in flight: the same batches come again, and the run ends with the same weights", async (t) => {
	const { client } = await smallModel("robust");
	const run = async (writes: number) => {
		await using aggregator = await ScriptedAggregator.start(client, robust);
		const leader = new AnsweringAggregator(aggregator, id, plan);
		const records: MemoryRecords = new Map();
		const { store, failure } = failingStore(records, writes);
		const first = await startWithStore(aggregator.url, store);
		const finished = (await Promise.race([first.events.done, failure])) !== "failed";
		await first.cut();
		let asked = 0;
		if (!finished) {
			const second = await startWithStore(aggregator.url, memoryDeviceStore(records));
			await second.events.done;
			await second.device.close();
			asked = second.events.events.filter((e) => e.type === "asked-again" && e.awaiting === "gradient").length;
		}
		return { leader, finished, asked };
	};
	const expected = await run(10_000);
	t.true(expected.finished);
	let most = 0;
	// The places between a batch that is made, an answer that is settled, and the next batch.
	for (const writes of [4, 5, 6, 7, 8, 9, 13]) {
		const { leader, finished, asked } = await run(writes);
		t.false(finished);
		t.deepEqual(leader.weights, expected.leader.weights, `after ${writes} writes`);
		t.deepEqual(leader.first, expected.leader.first, `after ${writes} writes`);
		t.deepEqual(leader.changed, [], `after ${writes} writes`);
		most = Math.max(most, asked);
	}
	t.true(most >= 3, "as many as the window were in flight");
});
