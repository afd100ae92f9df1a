import {
	attributes,
	type GraphBuilder,
	mapFromJacobian,
	packClientInput,
	perturb,
	saliencyMap,
	type Value,
} from "@psgl/models";
import { scalar, type Tensor } from "@psgl/sdk";
import test from "ava";
import { goldenVectors, relativeError } from "../../helpers/golden.js";
import { largestDifference } from "../../helpers/largest-difference.js";
import { numbers } from "../../helpers/numbers.js";
import { runGraph } from "../../helpers/run-graph.js";
import { withShared } from "../../helpers/shared.js";

const { float, int, ints } = attributes;

type Vectors = (key: string) => Tensor<"float32">;

withShared("the map of given Jacobian rows", async (t) => {
	const vectors = await goldenVectors("saliency_jacobian");
	const feeds = { alpha: vectors("in_alpha"), beta: vectors("in_beta") };
	const out = await runGraph((g) => {
		const alpha = g.input("alpha", "float32", ["B", 1, 8, 8]);
		const beta = g.input("beta", "float32", ["B", 1, 8, 8]);
		g.output("map", mapFromJacobian(g, alpha, beta, { form: "logit", norm: "raw", budget: 0 }));
		for (const norm of ["linf", "rms"] as const) {
			for (const budget of [0.1, 0.5]) {
				g.output(`${norm}_${budget}`, mapFromJacobian(g, alpha, beta, { form: "logit", norm, budget }));
			}
		}
	}, feeds);
	for (const key of ["map", "linf_0.1", "linf_0.5", "rms_0.1", "rms_0.5"]) {
		t.true(relativeError(out[key] as Tensor, vectors(`out_${key}`)) < 1e-5, key);
	}
});

/** Convolution 3x3, batch normalisation with the running statistics, rectifier, maximum over 2x2 where `pool`. */
function convolutionBlock(g: GraphBuilder, vectors: Vectors, name: string, x: Value, pool: boolean): Value {
	const weight = (key: string) => g.constant(vectors(`w_${name}.${key}`));
	const convolved = g.add("Conv", [x, weight("0.weight"), weight("0.bias")], {
		kernel_shape: ints([3, 3]),
		strides: ints([1, 1]),
		pads: ints([1, 1, 1, 1]),
	});
	const normalised = g.add(
		"BatchNormalization",
		[convolved, weight("1.weight"), weight("1.bias"), weight("1.running_mean"), weight("1.running_var")],
		{ epsilon: float(1e-5) },
	);
	const active = g.add("Relu", [normalised]);
	if (!pool) return active;
	return g.add("MaxPool", [active], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) });
}

/** The reference's client segment and stream A on the unperturbed picture. */
function score(vectors: Vectors) {
	return (g: GraphBuilder, x: Value): Value => {
		const first = convolutionBlock(g, vectors, "client.b1", packClientInput(g, x, undefined), true);
		const smashed = convolutionBlock(g, vectors, "client.b2", first, false);
		const features = convolutionBlock(g, vectors, "a.conv", smashed, true);
		const flat = g.add("Flatten", [features], { axis: int(1) });
		const dense = (name: string, v: Value) =>
			g.add("Gemm", [v, g.constant(vectors(`w_a.${name}.weight`)), g.constant(vectors(`w_a.${name}.bias`))], {
				transB: int(1),
			});
		return dense("fc2", g.add("Relu", [dense("fc1", flat)]));
	};
}

for (const [file, channels, size] of [
	["saliency_net_c1", 1, 28],
	["saliency_net_c3", 3, 16],
] as const) {
	withShared(`the map of a network with ${channels} channels`, async (t) => {
		const vectors = await goldenVectors(file);
		for (const [form, name] of [
			["probability", "softmax"],
			["logit", "logits"],
		] as const) {
			const out = await runGraph(
				(g) => {
					const x = g.input("x", "float32", ["B", channels, size, size]);
					const budget = g.input("budget", "float32", []);
					const raw = saliencyMap(g, score(vectors), x, { form, norm: "raw", budget });
					const { map } = saliencyMap(g, score(vectors), x, { form, norm: "linf", budget });
					g.output("logits", raw.logits);
					g.output("raw", raw.map);
					g.output("map", map);
					g.output("u", packClientInput(g, perturb(g, x, map), map));
				},
				{ x: vectors("in_x"), budget: scalar(0.5) },
			);
			t.true(relativeError(out.logits as Tensor, vectors("out_logits")) < 1e-5);
			t.true(relativeError(out.raw as Tensor, vectors(`out_map_${name}_raw`)) < 1e-5, `${name} raw`);
			t.true(largestDifference(out.map, vectors(`out_map_${name}_linf0.5`)) < 1e-5, `${name} scaled`);
			t.true(largestDifference(out.u, vectors(`out_u_${name}`)) < 1e-5, `${name} packed`);
		}
	});
}

/** Logits W x of signals [B,1,3]. */
const linear =
	(weights: readonly number[]) =>
	(g: GraphBuilder, x: Value): Value =>
		g.add("MatMul", [g.add("Reshape", [x, g.ints([0, 3])]), g.floats(weights, [3, 2])]);

const signals: Tensor<"float32"> = { dtype: "float32", dims: [2, 1, 3], data: Float32Array.of(1, 0, 0, 0, 0, 9) };

test("signals get a map of the predicted class, each scaled to the budget by itself", async (t) => {
	// Class 0 wins the first signal, class 1 the second.
	const weights = [1, 0, -2, 0.5, 0, 3];
	const { map } = await runGraph(
		(g) => {
			const x = g.input("x", "float32", ["B", 1, 3]);
			g.output("map", saliencyMap(g, linear(weights), x, { form: "logit", norm: "linf", budget: 0.25 }).map);
		},
		{ x: signals },
	);
	// First: a = (1, -2, 0), b = (0, .5, 3), so only the second place counts.
	// Second: a = (0, .5, 3), b = (1, -2, 0), so none does.
	t.deepEqual(numbers(map), [0, 0.25, 0, 0, 0, 0]);
});

test("a network sure of itself still uses up the budget", async (t) => {
	// p(1 - p) is about 1e-11 here, and its square would be lost in float32 if the gradient were 1e-20.
	const sure = { ...signals, data: Float32Array.of(25, 0, 0, 0, 0, 0) };
	// The smaller one makes gradients below float32's normal numbers.
	for (const tiny of [1e-12, 1e-29])
		for (const norm of ["linf", "rms"] as const) {
			const { map } = await runGraph(
				(g) => {
					const x = g.input("x", "float32", ["B", 1, 3]);
					const small = (builder: GraphBuilder, v: Value) => linear([1, 0, -tiny, tiny, tiny, -tiny])(builder, v);
					g.output("map", saliencyMap(g, small, x, { form: "probability", norm, budget: 0.5 }).map);
				},
				{ x: sure },
			);
			const first = numbers(map).slice(0, 3);
			const size = norm === "linf" ? Math.max(...first) : Math.hypot(...first) / Math.sqrt(3);
			t.true(Math.abs(size - 0.5) < 1e-6, `${norm} ${first}`);
		}
});

test("no gradient, no map, and no NaN", async (t) => {
	for (const form of ["probability", "logit"] as const) {
		for (const norm of ["linf", "rms", "raw"] as const) {
			const { map } = await runGraph(
				(g) => {
					const x = g.input("x", "float32", ["B", 1, 3]);
					g.output("map", saliencyMap(g, linear([0, 0, 0, 0, 0, 0]), x, { form, norm, budget: 0.5 }).map);
				},
				{ x: signals },
			);
			t.true(map?.data.every((v: number | bigint) => v === 0));
		}
	}
});

test("the perturbed input stays inside [0,1]", async (t) => {
	const { perturbed } = await runGraph(
		(g) => {
			const x = g.input("x", "float32", ["B", 1, 3]);
			g.output("perturbed", perturb(g, x, g.floats([0.5, 0.5, -1], [1, 1, 3])));
		},
		{ x: { ...signals, data: Float32Array.of(0.25, 0.75, 0.5, 0, 1, 1) } },
	);
	t.deepEqual(numbers(perturbed), [0.75, 1, 0, 0.5, 1, 0]);
});
