import { crossEntropy, differentiate, GraphBuilder } from "@psgl/models";
import { labelTensor, ShapeError, type Tensor, tensor } from "@psgl/sdk";
import test from "ava";
import { goldenVectors, relativeError } from "../../helpers/golden.js";
import { runGraph } from "../../helpers/run-graph.js";
import { withShared } from "../../helpers/shared.js";

interface Options {
	readonly classWeights?: Tensor;
	readonly labelSmoothing?: number;
}

async function lossAndGradient(logits: Tensor, labels: Tensor, { classWeights, labelSmoothing }: Options = {}) {
	const target = labelTensor(labels.data as Float32Array);
	return runGraph(
		(g) => {
			const z = g.input("logits", "float32", ["B", logits.dims[1] as number]);
			const loss = crossEntropy(g, {
				logits: z,
				target: g.input("target", "int64", ["B"]),
				classWeights: classWeights && g.input("classWeights", "float32", classWeights.dims),
				labelSmoothing,
			});
			g.output("loss", loss);
			const [gradient] = differentiate(g, [{ value: loss }], [z]);
			if (gradient !== undefined) g.output("gradient", gradient);
		},
		{ logits, target, ...(classWeights && { classWeights }) },
	);
}

const settings: Readonly<Record<string, Options>> = { mean: {}, "smooth.1": { labelSmoothing: 0.1 } };

for (const [name, options] of Object.entries(settings)) {
	withShared(`${name}: loss and gradient as PyTorch's`, async (t) => {
		const golden = await goldenVectors("cross_entropy");
		const got = await lossAndGradient(golden("in_logits"), golden("in_target"), options);
		t.true(relativeError(got.loss as Tensor, golden(`out_${name}`)) < 1e-5);
		t.true(relativeError(got.gradient as Tensor, golden(`g_${name}`)) < 1e-5);
	});
}

withShared("class weights: loss and gradient as PyTorch's", async (t) => {
	const golden = await goldenVectors("cross_entropy");
	const got = await lossAndGradient(golden("in_logits"), golden("in_target"), { classWeights: golden("in_weight") });
	t.true(relativeError(got.loss as Tensor, golden("out_weighted")) < 1e-5);
	t.true(relativeError(got.gradient as Tensor, golden("g_weighted")) < 1e-5);
});

withShared("very large logits stay finite", async (t) => {
	const golden = await goldenVectors("cross_entropy");
	const got = await lossAndGradient(golden("in_big"), golden("in_big_target"));
	t.true(relativeError(got.loss as Tensor, golden("out_big")) < 1e-5);
	t.true(relativeError(got.gradient as Tensor, golden("g_big")) < 1e-5);
});

test("equal class weights change nothing, smoothed or not", async (t) => {
	const logits = tensor("float32", [3, 2], Float32Array.of(1, -2, 0.5, 0.25, -1, 3));
	const labels = tensor("float32", [3], Float32Array.of(0, 1, 1));
	const classWeights = tensor("float32", [2], Float32Array.of(3, 3));
	for (const labelSmoothing of [0, 0.2]) {
		const plain = await lossAndGradient(logits, labels, { labelSmoothing });
		const weighted = await lossAndGradient(logits, labels, { labelSmoothing, classWeights });
		t.true(relativeError(weighted.loss as Tensor, plain.loss as Tensor) < 1e-6);
		t.true(relativeError(weighted.gradient as Tensor, plain.gradient as Tensor) < 1e-6);
	}
});

test("scores that are no matrix are refused", (t) => {
	const g = new GraphBuilder("test");
	const logits = g.input("logits", "float32", ["B", "K"]);
	const target = g.input("target", "int64", ["B"]);
	const error = t.throws(() => crossEntropy(g, { logits, target }), { instanceOf: ShapeError });
	t.is(error?.code, "PSGL_LOSS_SHAPE");
});
