import { clientHalf } from "@psgl/models";
import { ClientSegmentCache, Device, type DeviceEvent, type DeviceOptions, seededRandom } from "@psgl/sdk";
import { type DisclosureSettings, flipProbability, levelShrink, type Manifest } from "@psgl/sdk/artifact";
import type { RoundMessage } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type MemoryRecords, memoryDeviceStore } from "@psgl/sdk/store";
import test from "ava";
import { EventReader } from "../helpers/event-reader.js";
import { GreedyAggregator } from "../helpers/greedy-aggregator.js";
import { trainRound } from "../helpers/rounds.js";
import { ScriptedAggregator } from "../helpers/scripted-aggregator.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";

const id = "ward-3-pi";
const segments = new ClientSegmentCache({ runtime: nodeRuntime });
const data = { train: smallDataset(10), validation: smallDataset(6, 2) };
let sessions = 1;

test.after.always(() => segments.close());

async function shield(disclosure?: DisclosureSettings, seed = 1) {
	const { joint } = await smallModel("shield", { seed });
	const manifest: Manifest = { ...joint.manifest, disclosure: disclosure ?? joint.manifest.disclosure };
	return { manifest, client: await clientHalf({ ...joint, manifest }) };
}

/** One process of a device at an aggregator that asks for `plan`. */
async function session(client: Uint8Array, plan: readonly Partial<RoundMessage>[], options: Partial<DeviceOptions>) {
	await using aggregator = await ScriptedAggregator.start(client, { session: ++sessions });
	const greedy = new GreedyAggregator(aggregator, id, plan);
	await using device = await Device.connect({ url: aggregator.url, id, segments, data, ...options });
	const events = new EventReader<DeviceEvent>(device.train());
	await Promise.race([greedy.done, events.done]);
	await events.done;
	return { loot: greedy.loot, smashed: greedy.smashed, totals: device.disclosure, events: events.events };
}

test("once: whatever weights, sessions, orders and artifacts an aggregator comes with, it gets one code of each picture", async (t) => {
	const { manifest, client } = await shield();
	const { numbers = 0, bits = 0 } = manifest.code ?? {};
	const budget = numbers * bits + 1;
	const records: MemoryRecords = new Map();
	const store = () => ({ store: memoryDeviceStore(records) });
	const asked = await session(
		client,
		[
			{ epoch: 1, task: "local" },
			{ epoch: 2, task: "code" },
			{ epoch: 3, task: "local", learningRate: 0.5 },
			{ epoch: 4, task: "code" },
			{ epoch: 5, task: "validate" },
		],
		store(),
	);
	const [, first, , second, validation] = asked.loot;
	t.deepEqual(asked.loot[0]?.smashed, [], "a local round releases nothing");
	t.is(asked.loot[0]?.samples, 10);
	t.is(first?.smashed.length, 16);
	t.deepEqual(second?.smashed, first?.smashed, "other weights, the same codes");
	t.deepEqual(validation?.smashed, first?.smashed.slice(10));
	t.like(asked.totals, { records: 16, releases: 16, mostBits: budget, bits: 16 * budget, leftOut: 0 });
	const codes = [...(first?.smashed ?? [])].sort();
	const turned = { train: data.train.subset([9, 8, 7, 6, 5, 4, 3, 2, 1, 0]), validation: data.validation };
	for (const other of [data, turned, { train: data.validation, validation: data.train }]) {
		const again = await session(client, [{ epoch: 1, task: "code" }], { ...store(), data: other });
		t.deepEqual([...again.smashed].sort(), codes);
		t.is(again.totals.bits, 16 * budget);
	}
	const newer = await shield({ release: "refresh", refreshes: 5, budgetBits: null }, 2);
	const renewed = await session(newer.client, [{ epoch: 1, task: "code" }], store());
	t.deepEqual(renewed.smashed, [], "another artifact gets nothing of them");
	t.deepEqual(
		renewed.events.flatMap((event) => (event.type === "left-out" ? [event.records] : [])),
		[{ coded: 4 }, { coded: 4 }, { coded: 2 }, { coded: 4 }, { coded: 2 }],
	);
	t.like(renewed.totals, { bits: 16 * budget, mostBits: budget, budgetBits: budget });
});

test("a round that the release mode does not have is refused, and nothing is sent", async (t) => {
	const { client } = await shield();
	await using aggregator = await ScriptedAggregator.start(client);
	const store = memoryDeviceStore();
	await using device = await Device.connect({ url: aggregator.url, id, segments, data, store });
	const events = new EventReader<DeviceEvent>(device.train());
	await aggregator.expect("resume");
	await aggregator.send(trainRound(id, { epoch: 1 }));
	t.is((await events.next("rejected")).error.code, "PSGL_DISCLOSURE_TASK");
	t.is(device.disclosure.releases, 0);
	t.is(aggregator.pending, 0);
});

test("randomised response: bits turn over as often as epsilon says, the code stays what it was, levels have no bias", async (t) => {
	const epsilon = 4;
	const { manifest, client } = await shield({ release: "once", budgetBits: null, randomisedResponse: { epsilon } });
	const { numbers = 0, bits = 0 } = manifest.code ?? {};
	const flip = flipProbability(manifest);
	t.true(Math.abs(flip - 1 / (1 + Math.exp(epsilon / (numbers * bits)))) < 1e-12);
	const many = { train: smallDataset(2000, 7) };
	const plan = [{ epoch: 1, task: "code" }] as const;
	const steady = { uniform: () => 1 };
	const plain = await session(client, plan, { store: memoryDeviceStore(), data: many, noise: steady });
	const records: MemoryRecords = new Map();
	const random = seededRandom(11);
	const noisy = await session(client, plan, { store: memoryDeviceStore(records), data: many, noise: random });
	const again = await session(client, plan, { store: memoryDeviceStore(records), data: many, noise: random });
	t.deepEqual(again.smashed, noisy.smashed, "the chance is not drawn again");
	t.is(noisy.totals.mostEpsilon, epsilon);
	t.is(again.totals.mostEpsilon, epsilon);
	const level = (hex: string) => Buffer.from(hex, "hex").map((index) => index)[0] as number;
	const indices = (codes: readonly string[]) => codes.map(level);
	let turned = 0;
	const real = indices(plain.smashed);
	const sent = indices(noisy.smashed);
	t.is(numbers, 1);
	for (const [i, index] of real.entries()) {
		for (let bit = 0; bit < bits; bit++) turned += ((index ^ (sent[i] as number)) >> bit) & 1;
	}
	const draws = real.length * bits;
	const spread = Math.sqrt(flip * (1 - flip) * draws);
	t.true(Math.abs(turned - flip * draws) < 4 * spread, `${turned} of ${draws} turned over, ${flip * draws} expected`);
	const toLevel = (index: number) => -1 + (2 * index) / (2 ** bits - 1);
	const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
	const decoded = mean(sent.map((index) => toLevel(index) / levelShrink(manifest)));
	const noise = 1 / levelShrink(manifest) / Math.sqrt(sent.length);
	t.true(Math.abs(decoded - mean(real.map(toLevel))) < 4 * noise, `${decoded} for ${mean(real.map(toLevel))}`);
});
