import { encodeModel, wireGraphs } from "@psgl/models";
import { seededRandom, type Tensor, type Tensors } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { numbers } from "../../helpers/numbers.js";

const dims = [3, 4, 5, 2];

async function run(name: string, feeds: Tensors): Promise<Record<string, Tensor>> {
	const graph = wireGraphs(["B", 4, 5, 2]).find((g) => g.name === name);
	if (graph === undefined) throw new Error(`no graph ${name}`);
	await using session = await nodeRuntime.load(encodeModel(graph));
	return await session.run(feeds);
}

async function roundTrip(dtype: "float16" | "int8", values: Tensor<"float32">) {
	const encoded = await run(`wire/encode.${dtype}`, { values });
	const decoded = await run(`wire/decode.${dtype}`, encoded);
	return { quantised: encoded.quantised as Tensor, scale: numbers(encoded.scale), values: numbers(decoded.values) };
}

/** Values over six orders of magnitude, times `size`. */
function samples(size: number): Tensor<"float32"> {
	const random = seededRandom(11);
	const data = Float32Array.from({ length: 120 }, () => size * random.normal() * 10 ** (-6 * random.uniform()));
	return { dtype: "float32", dims, data };
}

for (const size of [1e-12, 1e-6, 1, 1e5, 1e30]) {
	test(`float16 keeps values of size ${size} to 2^-11 of each, or 2^-38 of the largest`, async (t) => {
		const values = samples(size);
		const { quantised, scale, values: back } = await roundTrip("float16", values);
		t.is(quantised.dtype, "float16");
		t.true(Number.isInteger(Math.log2(scale[0] as number)));
		const largest = Math.max(...values.data.map(Math.abs));
		for (const [i, x] of values.data.entries()) {
			const bound = Math.max(Math.abs(x) * 2 ** -11, largest * 2 ** -38);
			t.true(Math.abs((back[i] as number) - x) <= bound, `${x} became ${back[i]}`);
		}
	});
}

test("int8 keeps each value to half its channel's scale", async (t) => {
	const values = samples(3);
	// A channel much larger than the others must not cost them anything, and one of zeros must not make NaN.
	for (let b = 0; b < 3; b++) {
		for (let i = 0; i < 10; i++) {
			values.data[b * 40 + i] = 1e6 * (values.data[b * 40 + i] as number);
			values.data[b * 40 + 10 + i] = 0;
		}
	}
	const { quantised, scale, values: back } = await roundTrip("int8", values);
	t.is(quantised.dtype, "int8");
	t.is(scale.length, 4);
	t.true(numbers(quantised).every((q) => Number.isInteger(q) && Math.abs(q) <= 127));
	for (const [i, x] of values.data.entries()) {
		const channelScale = scale[Math.floor(i / 10) % 4] as number;
		t.true(Math.abs((back[i] as number) - x) <= channelScale * 0.5 * (1 + 1e-5), `${x} became ${back[i]}`);
	}
	const largest = (channel: number) =>
		Math.max(...values.data.filter((_, i) => Math.floor(i / 10) % 4 === channel).map(Math.abs));
	for (let c = 0; c < 4; c++) t.true(Math.abs((scale[c] as number) * 127 - largest(c)) <= 1e-6 * largest(c));
});

test("int8 rounds to nearest, ties to even", async (t) => {
	const data = new Float32Array(120);
	// The largest value makes the first channel's scale one.
	data.set([127, 0.5, 1.5, 2.5, -0.5, -1.5, -127, 3.4, 3.6, -3.6]);
	const { quantised } = await roundTrip("int8", { dtype: "float32", dims, data });
	t.deepEqual(numbers(quantised).slice(0, 10), [127, 0, 2, 2, 0, -2, -127, 3, 4, -4]);
});

for (const dtype of ["float16", "int8"] as const) {
	test(`zeros stay zeros in ${dtype}`, async (t) => {
		const { values, scale } = await roundTrip(dtype, { dtype: "float32", dims, data: new Float32Array(120) });
		t.true(values.every((v) => v === 0));
		t.true(scale.every((v) => Number.isFinite(v)));
	});
}
