import { differentiate, type GraphBuilder, type Value } from "@psgl/models";
import { type Tensor, tensor } from "@psgl/sdk";
import test from "ava";
import { runGraph } from "../../helpers/run-graph.js";

/** Gradient of the sum of what `build` makes of `x` [2,3], at a kink or a tie. */
async function gradientAt(values: readonly number[], build: (g: GraphBuilder, x: Value) => Value) {
	const { gradient } = await runGraph(
		(g) => {
			const x = g.input("x", "float32", ["B", 3]);
			const y = build(g, x);
			const total = g.add("ReduceSum", [y], { keepdims: { type: "int", value: 0 } });
			g.output("gradient", differentiate(g, [{ value: total }], [x])[0] as Value);
		},
		{ x: tensor("float32", [2, 3], Float32Array.from(values)) },
	);
	return [...((gradient as Tensor).data as Float32Array)];
}

test("elements that tie for the largest share the gradient, as PyTorch's amax", async (t) => {
	const gradient = await gradientAt([1, 3, 3, 2, 2, 2], (g, x) => g.add("ReduceMax", [x, g.ints([1])]));
	t.deepEqual(gradient, [0, 0.5, 0.5, ...Array(3).fill(Math.fround(1 / 3))]);
});

test("inputs that tie for the larger share the gradient, as PyTorch's maximum", async (t) => {
	const limit = (g: GraphBuilder) => g.floats([0, 1, 2]);
	t.deepEqual(await gradientAt([0, 0, 3, -1, 1, 2], (g, x) => g.add("Max", [x, limit(g)])), [0.5, 0, 1, 0, 0.5, 0.5]);
	t.deepEqual(await gradientAt([0, 0, 3, -1, 1, 2], (g, x) => g.add("Min", [x, limit(g)])), [0.5, 1, 0, 1, 0.5, 0.5]);
});

test("Relu, LeakyRelu and Abs at 0; Clip at its bounds", async (t) => {
	const points = [-1, 0, 1, 0, 2, 3];
	t.deepEqual(await gradientAt(points, (g, x) => g.add("Relu", [x])), [0, 0, 1, 0, 1, 1]);
	const leaky = { alpha: { type: "float", value: 0.5 } } as const;
	t.deepEqual(await gradientAt(points, (g, x) => g.add("LeakyRelu", [x], leaky)), [0.5, 0.5, 1, 0.5, 1, 1]);
	t.deepEqual(await gradientAt(points, (g, x) => g.add("Abs", [x])), [-1, 0, 1, 0, 1, 1]);
	t.deepEqual(await gradientAt(points, (g, x) => g.add("Clip", [x, g.scalar(0), g.scalar(2)])), [0, 1, 1, 1, 1, 0]);
});

test("a gradient does not flow through a rounded value", async (t) => {
	const gradient = await gradientAt([0.4, 1, 2, 3, 4, 5], (g, x) => g.add("Mul", [x, g.add("Round", [x])]));
	t.deepEqual(gradient, [0, 1, 2, 3, 4, 5]);
});
