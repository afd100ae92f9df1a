import { seededRandom, tensor } from "@psgl/sdk";
import { areShort, decodeEnvelope, encodeEnvelope, shortWeights } from "@psgl/sdk/protocol";
import test from "ava";

const vector = (values: readonly number[]) => tensor("float32", [values.length], Float32Array.from(values));
const empty = vector([]);

test("short weights are the nearest with 8 bits of fraction", (t) => {
	const step = 2 ** -8;
	const exact = [0, 1, -1, 1 + step, -0.5 - step / 2, 2 ** -120, 65536];
	const { params } = shortWeights({ params: vector(exact), stats: empty, head: empty });
	t.deepEqual([...params.data], exact);
	const between = shortWeights({
		params: vector([1 + 0.4 * step, 1 + 0.6 * step, -1 - 0.6 * step]),
		stats: vector([3 + 0.9 * step]),
		head: empty,
	});
	t.deepEqual([...between.params.data], [1, 1 + step, -1 - step]);
	t.deepEqual([...between.stats.data], [3]);
	const random = seededRandom(1);
	const values = Array.from({ length: 1000 }, () => 2 * random.uniform() - 1);
	const { head } = shortWeights({ params: empty, stats: empty, head: vector(values) });
	for (const [i, value] of values.entries()) {
		t.true(Math.abs((head.data[i] as number) - value) <= Math.abs(value) / 512, `${value}`);
	}
});

test("the largest values stay finite, and the weights that were given as they were", (t) => {
	const largest = 3.4028234663852886e38;
	const given = vector([largest, -largest, 0.1]);
	const { params } = shortWeights({ params: given, stats: empty, head: empty });
	t.true(params.data.every(Number.isFinite));
	t.is(given.data[0], largest);
	t.is(given.data[2], Math.fround(0.1));
});

test("deflated they take little more than half the bytes, and come back the same", (t) => {
	const random = seededRandom(2);
	const params = vector(Array.from({ length: 20_000 }, () => (random.uniform() - 0.5) / 8));
	const message = { type: "weights", device: "ward-3", epoch: 1, model: 1, samples: 8 } as const;
	const tensors = shortWeights({ params, stats: empty, head: empty });
	t.true(areShort(tensors));
	t.false(areShort({ params, stats: empty, head: empty }));
	t.false(areShort({ ...tensors, head: vector([1 + 2 ** -9]) }));
	const short = { ...message, tensors };
	const bytes = encodeEnvelope(short, { deflate: true });
	t.true(bytes.length < 0.55 * 4 * 20_000, `${bytes.length}`);
	t.deepEqual(decodeEnvelope(bytes), short);
	t.deepEqual(encodeEnvelope(short, { deflate: true }), bytes);
});
