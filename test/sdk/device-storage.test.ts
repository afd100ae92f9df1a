import {
	ClientSegmentCache,
	DataError,
	Device,
	type DeviceEvent,
	type DeviceOptions,
	type DeviceStore,
} from "@psgl/sdk";
import { budgetLimits } from "@psgl/sdk/budget";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type MemoryRecords, memoryDeviceStore } from "@psgl/sdk/store";
import test, { type ExecutionContext } from "ava";
import { EventReader } from "../helpers/event-reader.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { gradientFor, trainRound } from "../helpers/rounds.js";
import { ScriptedAggregator } from "../helpers/scripted-aggregator.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";

const id = "ward-3-pi";
const data = { train: smallDataset(10), validation: smallDataset(6, 2) };
const segments = new ClientSegmentCache({ runtime: nodeRuntime });

test.after.always(() => segments.close());

/** A store on a disk that can be full, and what reached the disk. */
function fillable(records: MemoryRecords = new Map()) {
	const store = memoryDeviceStore(records);
	const disk = { full: false, attempts: 0 };
	const fillable: DeviceStore = {
		get: (key) => store.get(key),
		keys: (prefix) => store.keys(prefix),
		write: async (changes) => {
			disk.attempts++;
			if (disk.full) throw new DataError("PSGL_STORE_WRITE", { what: "no space left" });
			await store.write(changes);
		},
		close: () => store.close(),
		[Symbol.asyncDispose]: () => store.close(),
	};
	return { disk, store: fillable, records };
}

/** A device in a round, whose disk fills up before the answer to its first batch comes. */
async function onFullDisk(t: ExecutionContext, options: Partial<DeviceOptions> = {}, signal?: AbortSignal) {
	const { client } = await smallModel();
	const { disk, store, records } = fillable();
	const clock = new ManualClock(1_000_000);
	const aggregator = await ScriptedAggregator.start(client, { protocol: 2 });
	const device = await Device.connect({ url: aggregator.url, id, segments, data, store, clock, ...options });
	t.teardown(async () => {
		await device.close();
		await aggregator.close();
	});
	const events = new EventReader<DeviceEvent>(device.train({ signal }));
	await aggregator.expect("resume");
	await aggregator.send({ ...trainRound(id), credit: 9 });
	const batch = await aggregator.expect("batch");
	disk.full = true;
	await aggregator.send(gradientFor(batch));
	return { aggregator, device, events, disk, records, clock };
}

test("a full disk pauses training; decisions are made by the local head; with room again all goes on where it was", async (t) => {
	const { aggregator, device, events, disk, clock } = await onFullDisk(t);
	const paused = await events.next("paused");
	t.deepEqual(paused.reasons, ["storage"]);
	t.is(paused.error?.code, "PSGL_STORE_WRITE");
	t.deepEqual(device.paused, ["storage"]);
	const decision = await device.infer(smallDataset(2, 9).batch(Uint32Array.of(0, 1)).x);
	t.is(decision.source, "local-head");
	t.is(decision.classes.length, 2);
	t.is(aggregator.pending, 0, "nothing leaves that cannot be counted");
	const { attempts } = disk;
	await clock.advance(budgetLimits.pauseCheckMs);
	t.is(disk.attempts, attempts + 1);
	t.is(aggregator.pending, 0);
	disk.full = false;
	await clock.advance(budgetLimits.pauseCheckMs);
	await events.next("resumed");
	t.is((await events.next("step")).seq, 0);
	t.is((await aggregator.expect("batch")).seq, 1);
	t.deepEqual(
		aggregator.statuses.map((status) => status.paused?.join()),
		[undefined, "storage", undefined],
	);
});

test("a disk that fills up under a decision: the local head decides, and its count is written when there is room", async (t) => {
	const { client } = await smallModel();
	const { disk, store } = fillable();
	const clock = new ManualClock(1_000_000);
	await using aggregator = await ScriptedAggregator.start(client, { protocol: 2 });
	await using device = await Device.connect({ url: aggregator.url, id, segments, data, store, clock });
	await device.ready();
	disk.full = true;
	t.is((await device.infer(smallDataset(1, 9).batch(Uint32Array.of(0)).x)).source, "local-head");
	t.deepEqual(device.paused, ["storage"]);
	disk.full = false;
	const { attempts } = disk;
	await clock.advance(budgetLimits.pauseCheckMs);
	t.is(disk.attempts, attempts + 1);
	t.deepEqual(device.paused, []);
	t.is(device.disclosure.releases, 1);
});

test("waiting for room ends when the device is closed or the signal aborts, and a start after it goes on in the round", async (t) => {
	const closed = await onFullDisk(t);
	await closed.events.next("paused");
	await closed.device.close();
	await t.throwsAsync(closed.events.done, { code: "PSGL_DEVICE_CLOSED" });

	const stop = new AbortController();
	const aborted = await onFullDisk(t, {}, stop.signal);
	await aborted.events.next("paused");
	stop.abort(new Error("stopped by hand"));
	await t.throwsAsync(aborted.events.done, { message: "stopped by hand" });
	await aborted.device.close();

	const { aggregator, records } = closed;
	await using after = await Device.connect({
		url: aggregator.url,
		id,
		segments,
		data,
		store: memoryDeviceStore(records),
	});
	const events = new EventReader<DeviceEvent>(after.train());
	t.like(await events.next("restored"), { epoch: 0, seq: 0 });
});

test("a disk that is full at the start is an error at once", async (t) => {
	const { client } = await smallModel();
	const { disk, store } = fillable();
	disk.full = true;
	await using aggregator = await ScriptedAggregator.start(client);
	await t.throwsAsync(Device.connect({ url: aggregator.url, id, segments, data, store }), { code: "PSGL_STORE_WRITE" });
});
