import { differentiate, meanSquaredError } from "@psgl/models";
import { type Tensor, tensor, zeros } from "@psgl/sdk";
import test from "ava";
import { goldenVectors, relativeError } from "../../helpers/golden.js";
import { runGraph } from "../../helpers/run-graph.js";
import { withShared } from "../../helpers/shared.js";

/** The loss and its gradient with respect to `a`, whose first axis is a batch of unknown size. */
function lossAndGradient(a: Tensor, b: Tensor) {
	return runGraph(
		(g) => {
			const x = g.input("a", "float32", ["B", ...a.dims.slice(1)]);
			const loss = meanSquaredError(g, x, g.input("b", "float32", ["B", ...b.dims.slice(1)]));
			g.output("loss", loss);
			const [gradient] = differentiate(g, [{ value: loss }], [x]);
			if (gradient !== undefined) g.output("gradient", gradient);
		},
		{ a, b },
	);
}

withShared("loss and gradient as PyTorch's, against zeros", async (t) => {
	const golden = await goldenVectors("cross_entropy");
	const a = golden("in_logits");
	const got = await lossAndGradient(a, zeros("float32", a.dims));
	t.true(relativeError(got.loss as Tensor, golden("out_mse")) < 1e-5);
	t.true(relativeError(got.gradient as Tensor, golden("g_mse")) < 1e-5);
});

test("mean of the squared differences and its gradient, whatever the batch", async (t) => {
	const a = tensor("float32", [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6));
	const b = tensor("float32", [2, 3], Float32Array.of(1, 0, 3, 5, 5, 3));
	const got = await lossAndGradient(a, b);
	t.is((got.loss as Tensor).data[0], Math.fround(14 / 6));
	const expected = Float32Array.from(a.data, (value, i) => (2 * (value - (b.data[i] as number))) / 6);
	t.deepEqual(got.gradient?.data, expected);
});
