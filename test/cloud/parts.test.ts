import {
	cloudLimits,
	EventBuffer,
	encodeRecordEntries,
	legsOf,
	RecordReader,
	Reservoir,
	type RosterDevice,
	type RunRecord,
	reservoirFor,
} from "@psgl/cloud";
import { seededRandom } from "@psgl/sdk";
import type { Manifest } from "@psgl/sdk/artifact";
import test from "ava";

type Event = { readonly type: "step" | "round"; readonly n: number };

test("every reader gets what comes after it started, and ends with the buffer", async (t) => {
	const events = new EventBuffer<Event>(10, () => true);
	const first = events.read();
	events.push({ type: "round", n: 1 });
	const second = events.read();
	events.push({ type: "round", n: 2 });
	events.end();
	const all = async (reader: AsyncIterable<Event>) => {
		const seen: number[] = [];
		for await (const { n } of reader) seen.push(n);
		return seen;
	};
	t.deepEqual([await all(first), await all(second)], [[1, 2], [2]]);
});

test("a slow reader loses the oldest events that may be dropped, and no others", async (t) => {
	const events = new EventBuffer<Event>(3, (event) => event.type === "step");
	const reader = events.read();
	for (const [type, n] of [
		["round", 1],
		["step", 2],
		["step", 3],
		["step", 4],
		["round", 5],
	] as const) {
		events.push({ type, n });
	}
	events.end();
	const seen: number[] = [];
	for await (const { n } of reader) seen.push(n);
	t.deepEqual(seen, [1, 4, 5]);
});

test("readers reject with the error the buffer ends with", async (t) => {
	const events = new EventBuffer<Event>(3, () => true);
	const reading = events.read().next();
	events.end({ error: new Error("broken") });
	await t.throwsAsync(reading, { message: "broken" });
});

const batch = (values: readonly number[]) =>
	({ dtype: "float32", dims: [values.length, 1], data: Float32Array.from(values) }) as const;
const kept = (reservoir: Reservoir) => reservoir.samples.map((sample) => sample[0] as number);

test("a reservoir keeps all it has room for, and copies", (t) => {
	const reservoir = new Reservoir(4, seededRandom(1));
	const first = batch([1, 2]);
	reservoir.add("b", first);
	reservoir.add("a", batch([3]));
	first.data.fill(9);
	t.deepEqual(kept(reservoir), [3, 1, 2]);
});

test("a full reservoir keeps a random choice of everything, the same however devices interleave", (t) => {
	const streams = ["a", "b"].map((device, d) =>
		Array.from({ length: 100 }, (_, i) => [device, batch([1000 * d + i])] as const),
	);
	const filled = (order: (readonly [string, ReturnType<typeof batch>])[]) => {
		const reservoir = new Reservoir(20, seededRandom(3));
		for (const [device, samples] of order) reservoir.add(device, samples);
		return kept(reservoir);
	};
	const [a = [], b = []] = streams;
	const interleaved = filled(a.flatMap((one, i) => [b[i] as (typeof b)[0], one]));
	t.deepEqual(filled([...a, ...b]), interleaved);
	t.is(interleaved.length, 40);
	t.is(new Set(interleaved).size, 40);
	t.true(
		interleaved.some((value) => value >= 50 && value < 100),
		"later ones have their chance",
	);
});

test("legs share a pass out evenly: every batch in one leg, in order, whoever has most sets their number", (t) => {
	const device = (id: string, train: number) => ({ id, hello: { samples: { train } } }) as unknown as RosterDevice;
	// 1, 3 and 7 batches of 8; a last batch of one sample does not count.
	const devices = [device("a", 9), device("b", 20), device("c", 56)];
	const plan = (averageEvery: number) =>
		legsOf(devices, { batchSize: 8, averageEvery }).map((leg) =>
			leg.map(({ device: { id }, first, steps }) => `${id} ${first}+${steps}`),
		);
	t.deepEqual(plan(0), [["a 0+0", "b 0+0", "c 0+0"]]);
	t.deepEqual(plan(100), [["a 0+1", "b 0+3", "c 0+7"]]);
	t.deepEqual(plan(3), [
		["b 0+1", "c 0+2"],
		["b 1+1", "c 2+2"],
		["a 0+1", "b 2+1", "c 4+3"],
	]);
	t.deepEqual(plan(1), [
		["c 0+1"],
		["c 1+1"],
		["b 0+1", "c 2+1"],
		["c 3+1"],
		["b 1+1", "c 4+1"],
		["c 5+1"],
		["a 0+1", "b 2+1", "c 6+1"],
	]);
});

test("eventBuffer: of more steps a reader that does not come gets the last ones, and every other event", async (t) => {
	const events = new EventBuffer<Event>(cloudLimits.eventBuffer, (event) => event.type === "step");
	const reader = events.read();
	events.push({ type: "round", n: 0 });
	for (let n = 1; n <= 2 * cloudLimits.eventBuffer; n++) events.push({ type: "step", n });
	events.end();
	const seen: number[] = [];
	for await (const { n } of reader) seen.push(n);
	t.is(seen.length, cloudLimits.eventBuffer);
	t.deepEqual([seen[0], seen[1], seen.at(-1)], [0, cloudLimits.eventBuffer + 2, 2 * cloudLimits.eventBuffer]);
});

test("reservoirSamples, reservoirBytes: so much smashed data is kept to fit the masked prior, of all devices together", (t) => {
	const keptOf = (values: number, devices: number) => {
		const manifest = { recovery: { kind: "masked" }, smashedShape: [values] } as unknown as Manifest;
		const reservoir = reservoirFor(manifest, devices, seededRandom(1)) as Reservoir;
		const data = new Float32Array(100 * values);
		for (let i = 0; i < 30 * devices; i++) {
			reservoir.add(`device-${i % devices}`, { dtype: "float32", dims: [100, values], data });
		}
		return reservoir.samples;
	};
	t.is(keptOf(4, 2).length, cloudLimits.reservoirSamples);
	const large = keptOf(2 ** 16, 1);
	t.is(large.length * 2 ** 16 * 4, cloudLimits.reservoirBytes);
});

test("recordPartBytes: a longer record of the run is cut, and whole again with its last part", (t) => {
	const record = { type: "round", text: "x".repeat(2.5 * cloudLimits.recordPartBytes) } as unknown as RunRecord;
	const entries = encodeRecordEntries(record);
	t.is(entries.length, 3);
	t.true(entries.every(({ length }) => length <= cloudLimits.recordPartBytes + 2));
	const reader = new RecordReader();
	const whole = entries.map((entry) => reader.take(entry));
	t.deepEqual(whole, [undefined, undefined, record]);
});
