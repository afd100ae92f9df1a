import { averagesWeights, extendAverage, type WeightAverage, weightedAverage } from "@psgl/cloud";
import { ShapeError, seededRandom, tensor } from "@psgl/sdk";
import test from "ava";
import fc from "fast-check";

const vector = (...values: number[]) =>
	({ dtype: "float32", dims: [values.length], data: Float32Array.from(values) }) as const;

test("the weighted mean", (t) => {
	const mean = weightedAverage([
		{ vector: vector(0, 4), weight: 3 },
		{ vector: vector(4, 0), weight: 1 },
	]);
	t.deepEqual([...mean.data], [1, 3]);
	t.deepEqual(mean.dims, [2]);
});

test("what has no weight does not count, and one vector alone stays as it is to the last bit", (t) => {
	const own = vector(0.1, 1 / 3, 1e-30);
	const mean = weightedAverage([
		{ vector: own, weight: 7 },
		{ vector: vector(Number.NaN, 1, 1), weight: 0 },
	]);
	t.is(mean.data, own.data);
});

test("the mean along a run counts every leg alike and leaves what it is given as it is", (t) => {
	const legs = [3, 9, -6, 2].map((value) => {
		const [params, stats, head] = [vector(value, 1), vector(2 * value), vector(3 * value)];
		return { client: { params, stats, head }, server: { params: vector(-value), stats: vector(value, value) } };
	});
	let average: WeightAverage | undefined;
	for (const { client, server } of legs) average = extendAverage(average, client, server);
	t.deepEqual(average, {
		legs: 4,
		client: { params: vector(2, 1), stats: vector(4), head: vector(6) },
		server: { params: vector(-2), stats: vector(2, 2) },
	});
	t.deepEqual(legs[0]?.client.params, vector(3, 1));
});

test("weights are averaged in the second half of the rounds", (t) => {
	const averaged = (rounds: number) =>
		Array.from({ length: rounds }, (_, i) => i + 1).filter((round) => averagesWeights(round, rounds));
	t.deepEqual([1, 2, 3, 6].map(averaged), [[], [2], [3], [4, 5, 6]]);
});

test("the mean lies between its parts, and equal parts give themselves", (t) => {
	const value = fc.float({ noNaN: true, min: -1e6, max: 1e6 });
	const parts = fc.array(fc.tuple(value, fc.integer({ min: 1, max: 1000 })), { minLength: 2, maxLength: 8 });
	fc.assert(
		fc.property(parts, (drawn) => {
			const mean = weightedAverage(drawn.map(([v, weight]) => ({ vector: vector(v), weight }))).data[0] as number;
			const values = drawn.map(([v]) => v);
			const slack = 1e-6 * Math.max(...values.map(Math.abs));
			return mean >= Math.min(...values) - slack && mean <= Math.max(...values) + slack;
		}),
	);
	t.pass();
});

test("what has no average is refused", (t) => {
	for (const parts of [
		[],
		[{ vector: vector(1), weight: 0 }],
		[
			{ vector: vector(1), weight: 1 },
			{ vector: vector(1, 2), weight: 1 },
		],
		[
			{ vector: vector(1), weight: 2 },
			{ vector: vector(1), weight: -1 },
		],
	]) {
		t.is(t.throws(() => weightedAverage(parts), { instanceOf: ShapeError })?.code, "PSGL_AVERAGE_SHAPE");
	}
});

test("what all devices hold alike, as frozen parameters, stays the same to the last bit", (t) => {
	const random = seededRandom(6);
	const vector = tensor(
		"float32",
		[1000],
		Float32Array.from({ length: 1000 }, () => random.normal() * 10 ** (6 * random.uniform() - 3)),
	);
	const parts = [17, 3, 1023, 64, 5, 11].map((weight) => ({ vector, weight }));
	t.deepEqual(weightedAverage(parts).data, vector.data);
});
