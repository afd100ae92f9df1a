import { ClientSegmentCache, Device, type DeviceEvent, type DeviceOptions, systemClock, tensor } from "@psgl/sdk";
import { DisclosureLedger, smashedBits } from "@psgl/sdk/ledger";
import type { RoundMessage } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type MemoryRecords, memoryDeviceStore } from "@psgl/sdk/store";
import test from "ava";
import { EventReader } from "../helpers/event-reader.js";
import { GreedyAggregator } from "../helpers/greedy-aggregator.js";
import { ScriptedAggregator } from "../helpers/scripted-aggregator.js";
import { type SmallModel, smallDataset, smallModel } from "../helpers/small-model.js";

const id = "ward-3-pi";
const segments = new ClientSegmentCache({ runtime: nodeRuntime });
let model: SmallModel;
let sessions = 1;
/** One release of real numbers, and the label. */
let oneRelease = 0;

test.before(async () => {
	model = await smallModel();
	oneRelease = smashedBits(model.joint.manifest, "float32") + 1;
});

test.after.always(() => segments.close());

const data = { train: smallDataset(10), validation: smallDataset(6, 2) };

/** One process of a device at an aggregator that asks for `plan`; what happened there. */
async function session(
	plan: readonly Partial<RoundMessage>[],
	options: Partial<DeviceOptions>,
	// Another memory: it may begin rounds anew that the device has done.
	number = ++sessions,
) {
	await using aggregator = await ScriptedAggregator.start(model.client, { session: number });
	const greedy = new GreedyAggregator(aggregator, id, plan);
	await using device = await Device.connect({ url: aggregator.url, id, segments, data, ...options });
	const events = new EventReader<DeviceEvent>(device.train());
	await Promise.race([greedy.done, events.done]);
	await events.done;
	return { greedy, events: events.events, totals: device.disclosure, statuses: aggregator.statuses };
}

test("asked for the same pictures again, in more epochs, other sessions, other orders, a device sends each once", async (t) => {
	const records: MemoryRecords = new Map();
	const open = () => ({ store: memoryDeviceStore(records), budgetBits: oneRelease });
	const first = await session(
		[{ epoch: 1 }, { epoch: 2 }, { epoch: 2, task: "validate" }, { epoch: 3, task: "validate" }],
		open(),
	);
	t.deepEqual(
		first.greedy.loot.map(({ smashed, labels, samples }) => [smashed.length, labels.length, samples]),
		[
			[10, 10, 10],
			[0, 0, 0],
			[6, 6, undefined],
			[0, 0, undefined],
		],
	);
	const leftOut = first.events.filter((event) => event.type === "left-out");
	t.is(leftOut.length, 3 + 2);
	t.like(leftOut[0], { epoch: 2, task: "train", records: { budget: 4 } });
	t.is(leftOut[0]?.error.code, "PSGL_DISCLOSURE_BUDGET");
	t.like(first.totals, { records: 16, releases: 16, mostBits: oneRelease, bits: 16 * oneRelease });
	t.like(first.statuses.findLast(({ state }) => state === "online")?.disclosure, { records: 16, mostBits: oneRelease });
	const orders = [
		data,
		// Under other numbers, and as training data what was validation data.
		{ train: data.train.subset([9, 8, 7, 6, 5, 4, 3, 2, 1, 0]), validation: data.validation },
		{ train: data.validation, validation: data.train },
	];
	for (const other of orders) {
		const again = await session([{ epoch: 1 }, { epoch: 1, task: "validate" }], { ...open(), data: other });
		t.deepEqual(again.greedy.smashed, []);
		t.is(again.totals.bits, 16 * oneRelease);
	}
	const added = { train: smallDataset(4, 9), validation: data.validation };
	const more = await session([{ epoch: 1 }], { ...open(), data: added });
	t.is(more.greedy.smashed.length, 4, "new pictures have a budget of their own");
	t.is(more.totals.records, 20);
});

test("sessions played again, and clocks a year off, get nothing of a record that was sent", async (t) => {
	const records: MemoryRecords = new Map();
	const open = (year: number) => ({
		store: memoryDeviceStore(records),
		budgetBits: oneRelease,
		clock: { ...systemClock, now: () => systemClock.now() + year * 365 * 86_400_000 },
	});
	const plan = [{ epoch: 1 }, { epoch: 2, task: "validate" }] as const;
	const first = await session(plan, open(0));
	t.is(first.greedy.smashed.length, 16);
	const played = sessions;
	for (const [year, number] of [
		[0, played],
		[-1, played],
		[1, played],
		[-1, ++sessions],
		[2, ++sessions],
	] as const) {
		const again = await session(plan, open(year), number);
		t.deepEqual(again.greedy.smashed, [], `session ${number}, ${year} years`);
		t.like(again.totals, { releases: 16, bits: 16 * oneRelease, mostBits: oneRelease });
	}
});

test("a decision is made on the device when its picture's bits are spent, and nothing is sent", async (t) => {
	await using aggregator = await ScriptedAggregator.start(model.client);
	const budgetBits = oneRelease;
	const store = memoryDeviceStore();
	await using device = await Device.connect({
		url: aggregator.url,
		id,
		segments,
		store,
		budgetBits,
		inferTimeoutMs: 60_000,
	});
	const { x } = data.train.batch([0, 1]);
	const ask = async () => {
		const decision = device.infer(x);
		const { seq, session } = await aggregator.expect("infer");
		const scores = tensor("float32", [2, 2, 2], Float32Array.of(1, 0, 1, 0, 0, 1, 0, 1));
		const answer = { type: "scores", device: id, seq, session, model: 0, arrived: 1 } as const;
		await aggregator.send({ ...answer, streams: ["A", "fused"], tensors: { scores } });
		return decision;
	};
	t.like(await ask(), { source: "aggregator", withheld: undefined });
	const refused = await device.infer(x);
	t.is(refused.source, "local-head");
	t.is(refused.withheld?.code, "PSGL_DISCLOSURE_BUDGET");
	t.is(refused.classes.length, 2);
	const mixed = await device.infer(data.train.batch([0, 5]).x);
	t.is(mixed.withheld?.code, "PSGL_DISCLOSURE_BUDGET", "all or nothing");
	t.is(device.disclosure.records, 2);
	t.is(aggregator.pending, 0);
});

test("without a budget everything goes as often as it is asked for, and is counted", async (t) => {
	const { greedy, totals } = await session([{ epoch: 1 }, { epoch: 2 }, { epoch: 3 }], {});
	t.is(greedy.smashed.length, 30);
	t.like(totals, { records: 10, releases: 30, bits: 30 * (oneRelease - 1) + 10, leftOut: 0 });
	t.false("budgetBits" in totals);
});

test("a budget without a store is refused, and so is a store that was in use before it had a ledger", async (t) => {
	const url = "mqtt://127.0.0.1:1";
	const volatile = Device.connect({ url, id, segments, data, budgetBits: 9, connectDeadlineMs: 1 });
	await t.throwsAsync(volatile, { code: "PSGL_LEDGER_VOLATILE" });
	const records: MemoryRecords = new Map();
	await session([{ epoch: 1 }], { store: memoryDeviceStore(records) });
	for (const key of records.keys()) if (key.startsWith("ledger/")) records.delete(key);
	const old = Device.connect({ url, id, segments, data, budgetBits: 9, store: memoryDeviceStore(records) });
	await t.throwsAsync(old, { code: "PSGL_LEDGER_OLD" });
});

test("a device whose store was put back to an old copy is told by the aggregator, and sends nothing under a budget", async (t) => {
	const records: MemoryRecords = new Map();
	const budgetBits = 10 * oneRelease;
	await session([{ epoch: 1 }], { store: memoryDeviceStore(records), budgetBits });
	const old = new Map(records);
	const latest = await session([{ epoch: 2 }], { store: memoryDeviceStore(records), budgetBits });
	t.is(latest.totals.releases, 20);
	await using aggregator = await ScriptedAggregator.start(model.client, { releases: 20 });
	await using device = await Device.connect({ url: aggregator.url, id, segments, data, store: memoryDeviceStore(old) });
	const events = new EventReader<DeviceEvent>(device.train());
	await t.throwsAsync(events.done, { code: "PSGL_LEDGER_OLD" });
	await t.throwsAsync(device.infer(data.train.batch([0]).x), { code: "PSGL_LEDGER_OLD" });
});

test("power lost before any write: what was sent was counted, and the same batch goes again for nothing", async (t) => {
	const plan = [{ epoch: 1 }, { epoch: 2 }];
	for (let writes = 1; ; writes++) {
		const records: MemoryRecords = new Map();
		const store = memoryDeviceStore(records);
		let left = writes;
		let failed = () => {};
		const failure = new Promise<"failed">((resolve) => {
			failed = () => resolve("failed");
		});
		const failing = {
			...{ get: store.get.bind(store), keys: store.keys.bind(store), close: store.close.bind(store) },
			write: async (changes: Parameters<typeof store.write>[0]) => {
				if (left-- > 0) return store.write(changes);
				failed();
				return new Promise<never>(() => {});
			},
			[Symbol.asyncDispose]: () => store.close(),
		};
		await using aggregator = await ScriptedAggregator.start(model.client);
		const greedy = new GreedyAggregator(aggregator, id, plan);
		const options = { url: aggregator.url, id, segments, data, budgetBits: oneRelease };
		const connecting = Device.connect({ ...options, store: failing });
		const first = await Promise.race([connecting, failure]);
		let finished = false;
		if (first !== "failed") {
			const events = new EventReader<DeviceEvent>(first.train());
			finished = (await Promise.race([events.done, failure])) !== "failed";
		}
		const sent = new Set(greedy.smashed);
		const ledger = await DisclosureLedger.open({
			device: id,
			store: memoryDeviceStore(new Map(records)),
			pastReleases: false,
		});
		t.true(
			ledger.totals.releases >= sent.size,
			`${writes} writes: ${ledger.totals.releases} counted, ${sent.size} sent`,
		);
		if (finished) {
			await (await connecting).close();
			t.true(writes > 8);
			break;
		}
		// A second process at the same aggregator, which goes on where the first one was.
		const second = await session(plan, { store: memoryDeviceStore(records), budgetBits: oneRelease });
		t.true(new Set([...sent, ...second.greedy.smashed]).size <= 10, `${writes} writes`);
		t.true(second.totals.mostBits <= oneRelease);
		if (first !== "failed") void first.close();
	}
});
