import { binaryCrossEntropy, differentiate, GraphBuilder } from "@psgl/models";
import { ShapeError, seededRandom, type Tensor, tensor } from "@psgl/sdk";
import test from "ava";
import { gradientErrors, normalTensor } from "../../helpers/operator-gradients.js";
import { runGraph } from "../../helpers/run-graph.js";

function lossAndGradient(logits: Tensor, target: Tensor, weights?: Tensor) {
	return runGraph(
		(g) => {
			const z = g.input("logits", "float32", ["B", logits.dims[1] as number]);
			const loss = binaryCrossEntropy(g, {
				logits: z,
				target: g.input("target", "int64", ["B", logits.dims[1] as number]),
				positiveWeights: weights && g.input("weights", "float32", weights.dims),
			});
			g.output("loss", loss);
			const [gradient] = differentiate(g, [{ value: loss }], [z]);
			if (gradient !== undefined) g.output("gradient", gradient);
		},
		{ logits, target, ...(weights && { weights }) },
	);
}

const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));
const labels = tensor("int64", [2, 3], BigInt64Array.of(1n, 0n, 1n, 0n, 0n, 1n));

test("loss and gradient by the formula, with weights for labels that apply", async (t) => {
	const values = [0.5, -1.25, 3, -2, 0, 0.125];
	const weights = [1, 4, 2.5];
	const got = await lossAndGradient(
		tensor("float32", [2, 3], Float32Array.from(values)),
		labels,
		tensor("float32", [3], Float32Array.from(weights)),
	);
	let loss = 0;
	const gradient = values.map((z, i) => {
		const y = Number(labels.data[i]);
		const w = weights[i % 3] as number;
		loss -= (w * y * Math.log(sigmoid(z)) + (1 - y) * Math.log(1 - sigmoid(z))) / 6;
		return (-w * y * (1 - sigmoid(z)) + (1 - y) * sigmoid(z)) / 6;
	});
	t.true(Math.abs(Number(got.loss?.data[0]) - loss) < 1e-6);
	for (const [i, expected] of gradient.entries()) t.true(Math.abs(Number(got.gradient?.data[i]) - expected) < 1e-6);
});

test("very large logits stay finite", async (t) => {
	const got = await lossAndGradient(tensor("float32", [2, 3], Float32Array.of(900, 900, -900, -900, 0, 900)), labels);
	// Two labels are wrong by 900, one is even: (900 + 900 + log 2) / 6.
	t.true(Math.abs(Number(got.loss?.data[0]) - (1800 + Math.log(2)) / 6) < 1e-3);
	t.deepEqual(
		Array.from(got.gradient?.data as Float32Array, (v) => Math.round(v * 12)),
		[0, 2, -2, 0, 1, 0],
	);
});

test("first and second derivatives against finite differences", async (t) => {
	const random = seededRandom(3);
	const inputs = { z: normalTensor(random, [4, 3]), w: tensor("float32", [3], Float32Array.of(1, 2, 0.5)) };
	const target = tensor(
		"int64",
		[4, 3],
		BigInt64Array.from({ length: 12 }, (_, i) => BigInt(i % 3 === 1 ? 1 : i % 2)),
	);
	const { first, second } = await gradientErrors(
		inputs,
		(g, { z, w }) => {
			if (z === undefined) throw new Error("no logits");
			return binaryCrossEntropy(g, { logits: z, target: g.constant(target), positiveWeights: w });
		},
		{ random, step: 1e-2 },
	);
	t.true(first < 2e-3, `first off by ${first}`);
	t.true(second < 2e-3, `second off by ${second}`);
});

test("scores that are no matrix are refused", (t) => {
	const g = new GraphBuilder("test");
	const logits = g.input("logits", "float32", ["B", 3, 2]);
	const error = t.throws(() => binaryCrossEntropy(g, { logits, target: logits }), { instanceOf: ShapeError });
	t.is(error?.code, "PSGL_LOSS_SHAPE");
});
