import { type OptimiserStep, optimiserStep, sgd, sgdSlotsPerParameter } from "@psgl/models";
import { scalar, type Tensor, tensor, zeros } from "@psgl/sdk";
import test from "ava";
import { flatStep } from "../../helpers/flat-step.js";
import { goldenVectors, relativeError } from "../../helpers/golden.js";
import { compileGraph } from "../../helpers/run-graph.js";
import { withShared } from "../../helpers/shared.js";

const betas = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

function adamStep(weightDecay: number, decoupledWeightDecay = false): OptimiserStep {
	return optimiserStep({ kind: "adam", learningRate: 1e-3, ...betas, weightDecay, decoupledWeightDecay });
}

function sgdStep(settings: { momentum: number; weightDecay: number; nesterov?: boolean }): OptimiserStep {
	return { slotsPerParameter: sgdSlotsPerParameter(settings), apply: (g, operands) => sgd(g, operands, settings) };
}

/** Runs `gradients` [steps,...] through an optimiser and returns the parameters after each step. */
async function train(optimiser: OptimiserStep, start: Tensor, gradients: Tensor, learningRate: number) {
	const length = start.data.length;
	await using session = await compileGraph((g) => {
		const next = flatStep(g, optimiser, {
			params: g.input("params", "float32", [length]),
			gradient: g.input("gradient", "float32", [length]),
			slots: g.input("slots", "float32", [optimiser.slotsPerParameter * length]),
			learningRate: g.input("learningRate", "float32", []),
			step: g.input("step", "float32", []),
		});
		g.output("next_params", next.params);
		g.output("next_slots", next.slots);
	});
	let params: Tensor = tensor("float32", [length], start.data as Float32Array);
	let slots: Tensor = zeros("float32", [optimiser.slotsPerParameter * length]);
	const results: Tensor[] = [];
	for (let step = 1; step <= gradients.data.length / length; step++) {
		const values = (gradients.data as Float32Array).slice((step - 1) * length, step * length);
		const gradient = tensor("float32", [length], values);
		const rate = scalar(learningRate);
		const next = await session.run({ params, gradient, slots, learningRate: rate, step: scalar(step) });
		params = next.next_params as Tensor;
		slots = next.next_slots as Tensor;
		results.push({ ...params, dims: start.dims });
	}
	return results;
}

const optimisers: Readonly<Record<string, OptimiserStep>> = {
	adam: adamStep(0),
	adam_wd: adamStep(0.1),
	adamw: adamStep(0.1, true),
	sgd: sgdStep({ momentum: 0, weightDecay: 0 }),
	sgd_mom: sgdStep({ momentum: 0.9, weightDecay: 0 }),
	sgd_nest_wd: sgdStep({ momentum: 0.9, weightDecay: 0.01, nesterov: true }),
};

for (const [name, optimiser] of Object.entries(optimisers)) {
	withShared(`${name}: three steps as PyTorch's`, async (t) => {
		const golden = await goldenVectors("optim");
		const rate = golden("attr_lr").data[0] as number;
		const results = await train(optimiser, golden("in_w0"), golden("in_grads"), rate);
		t.is(results.length, 3);
		results.forEach((params, i) => {
			const error = relativeError(params, golden(`out_${name}_${i + 1}`));
			t.true(error < 1e-5, `step ${i + 1} off by ${error}`);
		});
	});
}

test("a thousand steps in, Adam's bias correction is gone", async (t) => {
	// With a constant gradient each step is the learning rate long, whatever the gradient's size.
	const start = tensor("float32", [2], Float32Array.of(1, -1));
	const gradients = tensor(
		"float32",
		[1000, 2],
		Float32Array.from({ length: 2000 }, (_, i) => (i % 2 === 0 ? 1e-3 : -5)),
	);
	const results = await train(adamStep(0), start, gradients, 1e-3);
	const last = results.at(-1) as Tensor<"float32">;
	t.true(Math.abs((last.data[0] as number) - 0) < 1e-3);
	t.true(Math.abs((last.data[1] as number) - 0) < 1e-3);
});

test("a manifest's settings choose the optimiser and its slots", (t) => {
	t.is(optimiserStep({ kind: "adam", learningRate: 1e-3, ...betas, weightDecay: 0 }).slotsPerParameter, 2);
	t.is(optimiserStep({ kind: "sgd", learningRate: 1e-3, momentum: 0.9, weightDecay: 0 }).slotsPerParameter, 1);
	t.is(optimiserStep({ kind: "sgd", learningRate: 1e-3, momentum: 0, weightDecay: 0 }).slotsPerParameter, 0);
});
