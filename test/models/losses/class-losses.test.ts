import {
	attributes,
	crossEntropy,
	differentiate,
	focal,
	type GraphBuilder,
	squaredScoreError,
	type Value,
} from "@psgl/models";
import { labelTensor, seededRandom, type Tensor, tensor } from "@psgl/sdk";
import test from "ava";
import { gradientErrors, normalTensor } from "../../helpers/operator-gradients.js";
import { runGraph } from "../../helpers/run-graph.js";

const logits = normalTensor(seededRandom(5), [4, 3]);
const classes = [2, 0, 1, 2];
const weights = [0.25, 1, 3];

function probability(sample: number, k: number): number {
	const row = Array.from(logits.data.subarray(3 * sample, 3 * sample + 3), Math.exp);
	return (row[k] as number) / row.reduce((a, b) => a + b, 0);
}

async function value(build: (g: GraphBuilder, z: Value, target: Value, w: Value) => Value, z: Tensor = logits) {
	const { loss } = await runGraph(
		(g) => {
			const target = g.input("target", "int64", ["B"]);
			g.output("loss", build(g, g.input("z", "float32", ["B", 3]), target, g.floats(weights)));
		},
		{ z, target: labelTensor(classes) },
	);
	return Number(loss?.data[0]);
}

const close = (a: number, b: number) => Math.abs(a - b) < 1e-5 * Math.max(1, Math.abs(b));

test("focal loss by the formula", async (t) => {
	for (const gamma of [0.5, 2, 3]) {
		const expected = classes.reduce((sum, k, n) => {
			const p = probability(n, k);
			return sum - ((weights[k] as number) * (1 - p) ** gamma * Math.log(p)) / 4;
		}, 0);
		const got = await value((g, z, target, alpha) => focal(g, { logits: z, target, gamma, alpha }));
		t.true(close(got, expected), `gamma ${gamma}: ${got}, not ${expected}`);
	}
});

test("focal loss with gamma 0 is cross-entropy", async (t) => {
	const got = await value((g, z, target) => focal(g, { logits: z, target, gamma: 0 }));
	t.true(close(got, await value((g, z, target) => crossEntropy(g, { logits: z, target }))));
});

test("squared error of the scores by the formula, with and without class weights", async (t) => {
	const errorOf = (n: number) =>
		[0, 1, 2].reduce((sum, k) => sum + (probability(n, k) - (k === classes[n] ? 1 : 0)) ** 2, 0) / 3;
	const plain = classes.reduce((sum, _, n) => sum + errorOf(n) / 4, 0);
	t.true(close(await value((g, z, target) => squaredScoreError(g, { logits: z, target })), plain));
	const total = classes.reduce((sum, k) => sum + (weights[k] as number), 0);
	const weighted = classes.reduce((sum, k, n) => sum + ((weights[k] as number) * errorOf(n)) / total, 0);
	const got = await value((g, z, target, classWeights) => squaredScoreError(g, { logits: z, target, classWeights }));
	t.true(close(got, weighted));
});

test("a sample recognised beyond doubt has a finite slope whatever gamma is", async (t) => {
	const sure = tensor("float32", [4, 3], Float32Array.of(0, 0, 99, 99, 0, 0, 0, 99, 0, 0, 0, 99));
	const slope = await value((g, z, target) => {
		const loss = focal(g, { logits: z, target, gamma: 0.5 });
		const [gradient] = differentiate(g, [{ value: loss }], [z]);
		return g.add("ReduceSum", [g.add("Abs", [gradient])], { keepdims: attributes.int(0) });
	}, sure);
	t.true(slope < 1e-6, `slope ${slope}`);
});

const builders: Readonly<
	Record<string, (g: GraphBuilder, logits: Value, target: Value, classWeights: Value) => Value>
> = {
	focal: (g, z, target, alpha) => focal(g, { logits: z, target, gamma: 2, alpha }),
	"squared error": (g, z, target, classWeights) => squaredScoreError(g, { logits: z, target, classWeights }),
	"smoothed cross-entropy": (g, z, target, classWeights) =>
		crossEntropy(g, { logits: z, target, classWeights, labelSmoothing: 0.1 }),
};

for (const [name, build] of Object.entries(builders)) {
	test(`${name}: first and second derivatives against finite differences`, async (t) => {
		const random = seededRandom(8);
		const { first, second } = await gradientErrors(
			{ z: normalTensor(random, [4, 3]) },
			(g, { z }) => build(g, z as Value, g.constant(labelTensor(classes)), g.floats(weights)),
			{ random, step: 1e-2 },
		);
		t.true(first < 2e-3, `first off by ${first}`);
		t.true(second < 2e-3, `second off by ${second}`);
	});
}
