import { accumulated, clipGradients, type OptimiserStep, optimiserStep, type Value, withGradients } from "@psgl/models";
import { scalar, type Tensor, tensor, zeros } from "@psgl/sdk";
import test from "ava";
import { flatStep } from "../../helpers/flat-step.js";
import { numbers } from "../../helpers/numbers.js";
import { compileGraph, runGraph } from "../../helpers/run-graph.js";

const adamSettings = {
	kind: "adam",
	learningRate: 0.1,
	beta1: 0.9,
	beta2: 0.999,
	epsilon: 1e-8,
	weightDecay: 0,
} as const;
const vector = (...values: number[]) => tensor("float32", [values.length], Float32Array.from(values));
const learningRate = scalar(0.1);

function compileStep(optimiser: OptimiserStep, length: number) {
	return compileGraph((g) => {
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
}

/** Parameters after each run. */
async function run(optimiser: OptimiserStep, gradients: readonly Tensor[]): Promise<readonly (readonly number[])[]> {
	await using session = await compileStep(optimiser, 2);
	let state: Record<string, Tensor> = {
		params: vector(1, -2),
		slots: zeros("float32", [2 * optimiser.slotsPerParameter]),
	};
	const results: (readonly number[])[] = [];
	for (const [i, gradient] of gradients.entries()) {
		const next = await session.run({ ...state, gradient, learningRate, step: scalar(i + 1) });
		state = { params: next.next_params as Tensor, slots: next.next_slots as Tensor };
		results.push(numbers(state.params));
	}
	return results;
}

const gradients = [vector(1, -4), vector(3, 8), vector(-5, 2), vector(0.5, 0.25), vector(2, 2), vector(4, -6)];
// The means of two neighbours; halves and sums of these numbers are exact.
const means = [vector(2, 2), vector(-2.25, 1.125), vector(3, -2)];

for (const settings of [
	adamSettings,
	{ kind: "sgd", learningRate: 0.1, momentum: 0.9, weightDecay: 0.01, nesterov: true } as const,
	{ kind: "sgd", learningRate: 0.1, momentum: 0, weightDecay: 0 } as const,
]) {
	test(`${settings.kind}, ${settings.weightDecay}: two runs make one step with the mean gradient, bit for bit`, async (t) => {
		const inner = optimiserStep(settings);
		const runs = await run(accumulated(inner, 2), gradients);
		const [first, second, third] = await run(inner, means);
		t.deepEqual(runs, [[1, -2], first, first, second, second, third]);
	});
}

test("one batch a step is the optimiser itself", (t) => {
	const inner = optimiserStep(adamSettings);
	t.is(accumulated(inner, 1), inner);
	t.is(accumulated(inner, 4).slotsPerParameter, 3);
});

test("clipping acts on the mean of the accumulated gradients", async (t) => {
	const sgd = optimiserStep({ kind: "sgd", learningRate: 0.1, momentum: 0, weightDecay: 0 });
	const clipped = withGradients(sgd, (g, v) => clipGradients(g, v, { kind: "value", limit: 1 }));
	const [, after] = await run(accumulated(clipped, 2), [vector(100, 0.5), vector(-99, 0.25)]);
	// The mean is (0.5, 0.375), inside the limit although each gradient was not.
	t.deepEqual(after, [Math.fround(1 - Math.fround(0.1) * 0.5), Math.fround(-2 - Math.fround(0.1) * 0.375)]);
});

async function clipped(kind: "norm" | "value", limit: number, gradient: Tensor): Promise<readonly number[]> {
	const out = await runGraph(
		(g) => {
			const [out] = clipGradients(g, [g.input("gradient", "float32", gradient.dims)], { kind, limit });
			g.output("out", out as Value);
		},
		{ gradient },
	);
	return numbers(out.out);
}

test("by value: each value comes into the limits", async (t) => {
	t.deepEqual(await clipped("value", 2, vector(-5, -2, 0.5, 3)), [-2, -2, 0.5, 2]);
});

test("by norm: a longer gradient keeps its direction, a shorter one stays", async (t) => {
	t.deepEqual(await clipped("norm", 5, vector(0.5, -4)), [0.5, -4]);
	const long = await clipped("norm", 5, vector(30, -40));
	t.true(Math.abs((long[0] as number) - 3) < 1e-5 && Math.abs((long[1] as number) + 4) < 1e-5);
	t.deepEqual(await clipped("norm", 5, vector(0, 0)), [0, 0]);
});
