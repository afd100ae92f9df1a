import { codeHead, codeNumbers, type GraphBuilder, ParameterScope, type Value } from "@psgl/models";
import { seededRandom, type Tensor, tensor } from "@psgl/sdk";
import test from "ava";
import { gradientErrors, normalTensor } from "../../helpers/operator-gradients.js";
import { runGraph } from "../../helpers/run-graph.js";

/** A scope whose parameters are constants drawn by their names, and whose statistics are those of standard normal values. */
function constants(g: GraphBuilder, training: boolean): ParameterScope {
	return new ParameterScope(
		training,
		(name, shape) => g.constant(normalTensor(seededRandom(5).fork(name), shape)),
		(name, shape) => g.floats(new Float32Array(shape[0] as number).fill(name.endsWith("mean") ? 0 : 1)),
	);
}

const scales = [50, 1, 0.02];
const means = [7, -3, 0];

/** [64,3] with other means and scales in every column. */
const outputs = tensor(
	"float32",
	[64, 3],
	normalTensor(seededRandom(1), [64, 3]).data.map((v, i) => v * (scales[i % 3] as number) + (means[i % 3] as number)),
);

test("in training numbers spread alike over (-1,1), whatever the scale of the network's outputs", async (t) => {
	const { numbers, mean } = await runGraph(
		(g) => {
			const scope = constants(g, true);
			g.output("numbers", codeNumbers(g, scope, g.input("outputs", "float32", ["B", 3])));
			const next = scope.nextStatistic("mean");
			if (next !== undefined) g.output("mean", next);
		},
		{ outputs },
	);
	const { data } = numbers as Tensor<"float32">;
	t.true(data.every((v) => Math.abs(v) <= 1));
	for (const k of [0, 1, 2]) {
		const before = Array.from({ length: 64 }, (_, n) => Math.atanh(data[3 * n + k] as number));
		const square = before.reduce((a, v) => a + v ** 2, 0) / 64;
		t.true(Math.abs(square - 1) < 0.03, `number ${k}: ${square}`);
	}
	// A tenth of the batch's mean goes into the running one.
	t.true(Math.abs(((mean as Tensor<"float32">).data[0] as number) - 0.7) < 1);
});

test("as deployed a number depends on its own sample alone", async (t) => {
	const deployed = async (rows: Tensor<"float32">) => {
		const { numbers } = await runGraph(
			(g) => {
				g.output("numbers", codeNumbers(g, constants(g, false), g.input("outputs", "float32", ["B", 3])));
			},
			{ outputs: rows },
		);
		return (numbers as Tensor<"float32">).data;
	};
	const alone = await deployed(tensor("float32", [1, 3], outputs.data.slice(0, 3)));
	t.deepEqual((await deployed(outputs)).slice(0, 3), alone);
	alone.forEach((number, k) => {
		const expected = Math.tanh((outputs.data[k] as number) / Math.sqrt(1 + 1e-5));
		t.true(Math.abs(number - expected) < 1e-5);
	});
});

test("the gradients of numbers and of the head agree with finite differences", async (t) => {
	const random = seededRandom(2);
	const settings = { random, step: 1e-2, batched: ["x"] };
	const x = normalTensor(random, [6, 3]);
	const ofNumbers = await gradientErrors({ x }, (g, v) => codeNumbers(g, constants(g, true), v.x as Value), settings);
	t.true(ofNumbers.first < 2e-3 && ofNumbers.second < 5e-3, JSON.stringify(ofNumbers));
	const ofHead = await gradientErrors({ x }, (g, v) => codeHead(g, constants(g, true), v.x as Value, 4), {
		...settings,
		step: 1e-3,
	});
	t.true(ofHead.first < 1e-2, JSON.stringify(ofHead));
});
