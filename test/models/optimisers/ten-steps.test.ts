import { readFileSync } from "node:fs";
import { join } from "node:path";
import { clipGradients, differentiate, type OptimiserStep, optimiserStep, withGradients } from "@psgl/models";
import { scalar, type Tensor, zeros } from "@psgl/sdk";
import type { GradientClipping } from "@psgl/sdk/artifact";
import test from "ava";
import { flatStep } from "../../helpers/flat-step.js";
import { numbers } from "../../helpers/numbers.js";
import { projectFolder } from "../../helpers/run-cli.js";
import { compileGraph } from "../../helpers/run-graph.js";

/** What PyTorch computed in float64: bench/reference/ten_steps.py, which says what is minimised. */
const reference = JSON.parse(
	readFileSync(join(projectFolder, "test/fixtures/optimisers/ten-steps.json"), "utf8"),
) as Readonly<Record<string, readonly (readonly number[])[]>>;

const scales = [0.05, 1, 4, 0.5];
const targets = [3, -1, 0.25, 2];

const adam = { kind: "adam", learningRate: 0.125, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 } as const;
const sgd = { kind: "sgd", learningRate: 0.0625, momentum: 0.75, weightDecay: 0 } as const;
const clippedBy = (clipping: GradientClipping): OptimiserStep =>
	withGradients(optimiserStep(sgd), (g, gradients) => clipGradients(g, gradients, clipping));

const optimisers: Readonly<Record<string, { readonly step: OptimiserStep; readonly learningRate: number }>> = {
	adam: { step: optimiserStep(adam), learningRate: 0.125 },
	"adam, weight decay": { step: optimiserStep({ ...adam, weightDecay: 0.0625 }), learningRate: 0.125 },
	adamw: {
		step: optimiserStep({ ...adam, weightDecay: 0.0625, decoupledWeightDecay: true }),
		learningRate: 0.125,
	},
	sgd: { step: optimiserStep({ ...sgd, momentum: 0 }), learningRate: 0.0625 },
	"sgd, momentum": { step: optimiserStep(sgd), learningRate: 0.0625 },
	"nesterov, weight decay": {
		step: optimiserStep({ ...sgd, weightDecay: 0.125, nesterov: true }),
		learningRate: 0.0625,
	},
	"sgd, clipped by norm": { step: clippedBy({ kind: "norm", limit: 2 }), learningRate: 0.0625 },
	"sgd, clipped by value": { step: clippedBy({ kind: "value", limit: 0.5 }), learningRate: 0.0625 },
};

test("every reference has an optimiser", (t) => {
	t.deepEqual(Object.keys(optimisers).sort(), Object.keys(reference).sort());
});

for (const [name, { step: optimiser, learningRate }] of Object.entries(optimisers)) {
	test(`${name}: ten steps from loss to weights in one graph as PyTorch's`, async (t) => {
		await using session = await compileGraph((g) => {
			const params = g.input("params", "float32", [4]);
			const factor = g.input("factor", "float32", []);
			const distance = g.add("Sub", [params, g.add("Mul", [g.floats(targets), factor])]);
			const losses = g.add("Mul", [g.add("Mul", [distance, distance]), g.floats(scales)]);
			const [gradient] = differentiate(g, [{ value: losses, gradient: g.floats([1, 1, 1, 1]) }], [params]);
			if (gradient === undefined) throw new Error("no gradient");
			const next = flatStep(g, optimiser, {
				params,
				gradient,
				slots: g.input("slots", "float32", [optimiser.slotsPerParameter * 4]),
				learningRate: g.input("learningRate", "float32", []),
				step: g.input("step", "float32", []),
			});
			g.output("next_params", next.params);
			g.output("next_slots", next.slots);
		});
		let params: Tensor = zeros("float32", [4]);
		let slots: Tensor = zeros("float32", [optimiser.slotsPerParameter * 4]);
		for (const [i, expected] of (reference[name] ?? []).entries()) {
			const factor = scalar(1 + (i % 3));
			const rate = scalar(learningRate);
			const next = await session.run({ params, slots, factor, learningRate: rate, step: scalar(i + 1) });
			[params, slots] = [next.next_params as Tensor, next.next_slots as Tensor];
			numbers(params).forEach((value, k) => {
				const wanted = expected[k] as number;
				t.true(
					Math.abs(value - wanted) < 1e-5 * Math.max(1, Math.abs(wanted)),
					`step ${i + 1}: ${value}, not ${wanted}`,
				);
			});
		}
		t.is(reference[name]?.length, 10);
	});
}
