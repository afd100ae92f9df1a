import { attributes, differentiate, encodeModel, GraphBuilder, maxPool, type Value } from "@psgl/models";
import { seededRandom, tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";

const { ints } = attributes;

test("pooling before rectifying gives the values and gradients of rectifying before pooling, bit for bit but the sign of a zero", async (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", ["B", 2, 7, 6]);
	const gradient = g.input("gradient", "float32", ["B", 2, 3, 3]);
	const window = ints([2, 2]);
	const plain = g.add("MaxPool", [g.add("Relu", [x])], { kernel_shape: window, strides: window });
	const swapped = maxPool(g, g.add("Relu", [x]));
	t.is(g.producer(swapped)?.type, "Relu");
	for (const [name, y] of Object.entries({ plain, swapped })) {
		g.output(name, y);
		g.output(`${name} gradient`, differentiate(g, [{ value: y, gradient }], [x])[0] as Value);
	}
	const random = seededRandom(5);
	// Whole numbers around zero: tiles without a positive pixel, with zeros, and with ties.
	const draw = (dims: readonly number[]) =>
		tensor(
			"float32",
			dims,
			Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.integer(5) - 3),
		);
	await using session = await nodeRuntime.load(encodeModel(g.build()));
	const results = await session.run({ x: draw([16, 2, 7, 6]), gradient: draw([16, 2, 3, 3]) });
	t.deepEqual(results.swapped, results.plain);
	// Nothing times a gradient below zero.
	const unsigned = (name: string) => Array.from(results[name]?.data as Float32Array, (value) => value + 0);
	t.deepEqual(unsigned("swapped gradient"), unsigned("plain gradient"));
	t.true([...(results["plain gradient"]?.data ?? [])].some((value) => value !== 0));
});
