import type { Runtime, Tensor } from "@psgl/sdk";
import { CholeskyDecomposition, Matrix } from "ml-matrix";
import { GraphBuilder } from "../graph/builder.js";
import { encodeModel } from "../onnx/write.js";
import type { AttackScene } from "./attack-scene.js";
import { gather, rows } from "./run-in-batches.js";
import { squaredDistances } from "./squared-distances.js";
import { standardiser } from "./standardise.js";

type Real = Tensor<"float32">;

/** Widths of the kernel, over the median squared distance, and ridges among which the attacker chooses. */
const widths = [0.1, 0.5, 2];
const ridges = [1e-2, 1, 30];

/** Samples the choice is made with: to fit, and to test on. */
const fitted = 400;
const tested = 100;

/**
 * Closed-form decoder: kernel ridge regression from smashed data to the sample with a Gaussian kernel
 * (Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, section 5.8). Width and ridge are chosen on the
 * attacker's own pairs.
 */
export async function kernelRidgeDecoder(scene: AttackScene): Promise<Real> {
	const { runtime, threads, budget, random, signal } = scene;
	const count = Math.min(budget.kernelSamples, scene.samples.dims[0] as number);
	const chosen = random
		.fork("kernel-ridge")
		.permutation(scene.samples.dims[0] as number)
		.subarray(0, count);
	const standardise = standardiser(scene.pairs);
	const keys = standardise(gather(scene.pairs, chosen));
	const samples = gather(scene.samples, chosen);
	const queries = standardise(scene.seen);
	const [own, far] = [
		await squaredDistances(runtime, keys, keys, threads),
		await squaredDistances(runtime, keys, queries, threads),
	];
	const median = medianOf(own);
	scene.onProgress?.(0.3);
	const { width, ridge } = await choose(own, count, median, samples, scene);
	signal?.throwIfAborted();
	scene.onProgress?.(0.6);
	const weights = solve(
		kernel(own, count, width / median),
		ridge,
		kernel(far, queries.dims[0] as number, width / median),
	);
	return combine(runtime, weights, samples, threads);
}

/** The settings with the least error on pairs that were held out. */
async function choose(own: Float32Array, count: number, median: number, samples: Real, scene: AttackScene) {
	const held = Math.min(tested, Math.floor(count / 4));
	const used = Math.min(fitted, count - held);
	const part = (from: number, to: number, left: number, right: number) => {
		const block = new Float32Array((to - from) * (right - left));
		for (let i = from; i < to; i++)
			block.set(own.subarray(i * count + left, i * count + right), (i - from) * (right - left));
		return block;
	};
	const inner = part(0, used, 0, used);
	const outer = part(0, used, used, used + held);
	const truth = rows(samples, used, used + held).data;
	let best = { width: widths[0] as number, ridge: ridges[0] as number, error: Number.POSITIVE_INFINITY };
	for (const width of widths) {
		for (const ridge of ridges) {
			scene.signal?.throwIfAborted();
			const weights = solve(kernel(inner, used, width / median), ridge, kernel(outer, held, width / median));
			const guess = (await combine(scene.runtime, weights, rows(samples, 0, used), scene.threads)).data;
			const error = guess.reduce((sum, value, i) => sum + (value - (truth[i] as number)) ** 2, 0);
			if (error < best.error) best = { width, ridge, error };
		}
	}
	return best;
}

function kernel(distances: Float32Array, columns: number, scale: number): Matrix {
	const values = Float64Array.from(distances, (d) => Math.exp(-d * scale));
	return Matrix.from1DArray(values.length / columns, columns, Array.from(values));
}

/** (K + ridge I)^-1 k: for each query the weights of the attacker's samples, as columns. */
function solve(inner: Matrix, ridge: number, outer: Matrix): Matrix {
	for (let i = 0; i < inner.rows; i++) inner.set(i, i, inner.get(i, i) + ridge);
	return new CholeskyDecomposition(inner).solve(outer);
}

/** Mean sample plus the weighted sum of what differs from it, kept in [0,1]: [queries, ...shape]. */
async function combine(runtime: Runtime, weights: Matrix, samples: Real, threads: number): Promise<Real> {
	const count = weights.rows;
	const size = samples.data.length / count;
	const g = new GraphBuilder("audit/kernel-ridge");
	const x = g.input("samples", "float32", [count, size]);
	const mean = g.add("ReduceMean", [x, g.ints([0])]);
	const sum = g.add("MatMul", [g.input("weights", "float32", ["Q", count]), g.add("Sub", [x, mean])]);
	g.output("guess", g.add("Clip", [g.add("Add", [sum, mean]), g.scalar(0), g.scalar(1)]));
	await using session = await runtime.load(encodeModel(g.build()), { threads });
	const turned = weights.transpose();
	const out = await session.run({
		samples: { ...samples, dims: [count, size] },
		weights: { dtype: "float32", dims: [turned.rows, count], data: Float32Array.from(turned.to1DArray()) },
	});
	return { dtype: "float32", dims: [turned.rows, ...samples.dims.slice(1)], data: (out.guess as Real).data };
}

function medianOf(distances: Float32Array): number {
	const sorted = distances.slice().sort();
	return Math.max(sorted[sorted.length >> 1] as number, 1e-6);
}
