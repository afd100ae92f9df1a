import { attributes, type GraphBuilder, type Value } from "@psgl/models";
import { type Tensor, tensor } from "@psgl/sdk";
import test from "ava";
import { runGraph } from "../../helpers/run-graph.js";

const { int } = attributes;
const floats = (values: readonly number[], dims: readonly number[] = [values.length]) =>
	tensor("float32", dims, Float32Array.from(values));

/** What an operator makes of float32 inputs whose first axis is a batch of unknown size. */
async function apply(build: (g: GraphBuilder, inputs: readonly Value[]) => Value, ...feeds: readonly Tensor[]) {
	const names = feeds.map((_, i) => `x${i}`);
	const { y } = await runGraph(
		(g) => {
			const inputs = feeds.map((t, i) => g.input(`x${i}`, t.dtype, ["B", ...t.dims.slice(1)]));
			g.output("y", build(g, inputs));
		},
		Object.fromEntries(names.map((name, i) => [name, feeds[i] as Tensor])),
	);
	return y as Tensor;
}

const values = [-1.5, -0.5, 0, 0.5, 2.5];
const others = [-1.5, 0.5, -1, 0.5, 1];

const comparisons: Readonly<Record<string, (a: number, b: number) => boolean>> = {
	Equal: (a, b) => a === b,
	Greater: (a, b) => a > b,
	GreaterOrEqual: (a, b) => a >= b,
	Less: (a, b) => a < b,
	LessOrEqual: (a, b) => a <= b,
};

for (const [type, compare] of Object.entries(comparisons)) {
	test(`${type} compares element by element`, async (t) => {
		const y = await apply((g, inputs) => g.add(type, inputs), floats(values), floats(others));
		t.is(y.dtype, "bool");
		t.deepEqual(
			[...y.data].map(Boolean),
			values.map((a, i) => compare(a, others[i] as number)),
		);
	});
}

test("And, Or and Not combine masks", async (t) => {
	const a = tensor("bool", [4], Uint8Array.of(0, 0, 1, 1));
	const b = tensor("bool", [4], Uint8Array.of(0, 1, 0, 1));
	t.deepEqual([...(await apply((g, inputs) => g.add("And", inputs), a, b)).data], [0, 0, 0, 1]);
	t.deepEqual([...(await apply((g, inputs) => g.add("Or", inputs), a, b)).data], [0, 1, 1, 1]);
	t.deepEqual([...(await apply((g, inputs) => g.add("Not", inputs), a)).data], [1, 1, 0, 0]);
});

test("Floor, Round (half to even) and Sign", async (t) => {
	const of = async (type: string) =>
		[...(await apply((g, inputs) => g.add(type, inputs), floats(values))).data].map((v) => Number(v) + 0);
	t.deepEqual(await of("Floor"), [-2, -1, 0, 0, 2]);
	t.deepEqual(await of("Round"), [-2, 0, 0, 0, 2]);
	t.deepEqual(await of("Sign"), [-1, -1, 0, 1, 1]);
});

test("Cast to int8 and to float16's bit patterns", async (t) => {
	const int8 = await apply((g, [x]) => g.add("Cast", [x], { to: int(3) }), floats([-127, 3, 127]));
	t.deepEqual(int8, tensor("int8", [3], Int8Array.of(-127, 3, 127)));
	const half = await apply((g, [x]) => g.add("Cast", [x], { to: int(10) }), floats([1, -2, 65504]));
	t.is(half.dtype, "float16");
	t.deepEqual([...half.data], [0x3c00, 0xc000, 0x7bff]);
});

test("OneHot and ArgMax are each other's inverse", async (t) => {
	const labels = tensor("int64", [4], BigInt64Array.of(2n, 0n, 1n, 2n));
	const rows = await apply((g, [x]) => g.add("OneHot", [x, g.ints([3]), g.floats([0, 1])], { axis: int(1) }), labels);
	t.deepEqual(rows, floats([0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1], [4, 3]));
	t.deepEqual(await apply((g, [x]) => g.add("ArgMax", [x], { axis: int(1), keepdims: int(0) }), rows), labels);
});

test("Shape gives the extents at run time, and Expand takes them", async (t) => {
	const x = floats([1, 2, 3, 4, 5, 6], [3, 2]);
	t.deepEqual((await apply((g, [v]) => g.add("Shape", [v]), x)).data, BigInt64Array.of(3n, 2n));
	const filled = await apply((g, [v]) => g.add("Expand", [g.scalar(7), g.add("Shape", [v])]), x);
	t.deepEqual(filled, floats([7, 7, 7, 7, 7, 7], [3, 2]));
});
