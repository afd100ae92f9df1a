import { differentiate, meanSquaredError } from "@psgl/models";
import { type Tensor, tensor } from "@psgl/sdk";
import test from "ava";
import { runGraph } from "../../helpers/run-graph.js";

test("mean of the squared differences and its gradient, whatever the batch", async (t) => {
	const a = tensor("float32", [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6));
	const b = tensor("float32", [2, 3], Float32Array.of(1, 0, 3, 5, 5, 3));
	const got = await runGraph(
		(g) => {
			const x = g.input("a", "float32", ["B", 3]);
			const loss = meanSquaredError(g, x, g.input("b", "float32", ["B", 3]));
			g.output("loss", loss);
			const [gradient] = differentiate(g, [{ value: loss }], [x]);
			if (gradient !== undefined) g.output("gradient", gradient);
		},
		{ a, b },
	);
	t.is((got.loss as Tensor).data[0], Math.fround(14 / 6));
	const expected = Float32Array.from(a.data, (value, i) => (2 * (value - (b.data[i] as number))) / 6);
	t.deepEqual(got.gradient?.data, expected);
});
