import { robustPerturbation } from "@psgl/models";
import { scalar, type Tensor } from "@psgl/sdk";
import test from "ava";
import { largestDifference } from "../../helpers/largest-difference.js";
import { runGraph } from "../../helpers/run-graph.js";

const vector = (...values: number[]): Tensor<"float32"> => ({
	dtype: "float32",
	dims: [1, 1, values.length],
	data: Float32Array.from(values),
});

test("a perturbation steps by the gradient's sign and stays inside its bound", async (t) => {
	const feeds = { delta: vector(-2, 2, 0, 0, 1), gradient: vector(1e-9, 5, -3, 0, -1), bound: scalar(2) };
	const build = (g: Parameters<Parameters<typeof runGraph>[0]>[0]) => {
		const delta = g.input("delta", "float32", ["B", 1, 5]);
		const gradient = g.input("gradient", "float32", ["B", 1, 5]);
		g.output("next", robustPerturbation(g, delta, gradient, g.input("bound", "float32", [])));
	};
	const { next } = await runGraph(build, feeds);
	t.true(largestDifference(next, vector(0.5, 2, -2, 0, -1.5)) < 1e-6);
	const none = await runGraph(build, { ...feeds, bound: scalar(0) });
	t.true(none.next?.data.every((v) => Math.abs(Number(v)) === 0));
});
