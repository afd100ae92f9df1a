import { scalar, type Tensor, zeros } from "@psgl/sdk";
import { differentiate } from "../autodiff/differentiate.js";
import { int } from "../graph/attribute.js";
import { GraphBuilder } from "../graph/builder.js";
import { bindSegment, declareSegment, pack, packStatistics } from "../layers/parameter-scope.js";
import { encodeModel } from "../onnx/write.js";
import { adam } from "../optimisers/adam.js";
import { adamSlotsPerParameter } from "../optimisers/adam-of-pieces.js";
import type { AttackScene } from "./attack-scene.js";
import { decoderNetwork } from "./decoder-network.js";
import { gather, runInBatches } from "./run-in-batches.js";
import { similarity, similarityKind } from "./similarity.js";
import { standardiser } from "./standardise.js";

type Real = Tensor<"float32">;

/** What a decoder is trained for. */
export type DecoderLoss = "similarity" | "squared-error";

const batchSize = 32;
const firstLearningRate = 3e-3;
const settings = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };

/**
 * Trains a decoder on the attacker's own pairs and applies it to what the victims' device sent.
 * @param pairs [N,Cs,...] smashed data of `scene.samples`, with the defence (an adaptive attacker) or without
 */
export async function decoderAttack(scene: AttackScene, pairs: Real, loss: DecoderLoss): Promise<Real> {
	const { runtime, threads, budget, samples, random, signal } = scene;
	const shape = scene.target.manifest.inputShape;
	const graphs = decoderGraphs(pairs.dims.slice(1), shape, loss);
	const draws = random.fork(`decoder ${loss}`);
	await using train = await runtime.load(graphs.train, { threads });
	await using decode = await runtime.load(graphs.decode, { threads });
	const standardise = standardiser(pairs);
	const keys = standardise(pairs);
	let params: Tensor = vector(graphs.layout.params.initialise(draws.fork("weights")));
	let stats: Tensor = vector(graphs.layout.stats.initialise(draws));
	let slots: Tensor = zeros("float32", [adamSlotsPerParameter * graphs.layout.params.length]);
	const count = samples.dims[0] as number;
	const size = Math.min(batchSize, count);
	let order = draws.permutation(count);
	let at = 0;
	for (let step = 1; step <= budget.decoderSteps; step++) {
		signal?.throwIfAborted();
		if (at + size > count) {
			order = draws.permutation(count);
			at = 0;
		}
		const chosen = order.subarray(at, at + size);
		at += size;
		const out = await train.run({
			smashed: gather(keys, chosen),
			x: gather(samples, chosen),
			params,
			stats,
			slots,
			learningRate: scalar(annealed(step / budget.decoderSteps)),
			step: scalar(step),
		});
		params = out.next_params as Tensor;
		stats = out.next_stats as Tensor;
		slots = out.next_slots as Tensor;
		scene.onProgress?.(step / budget.decoderSteps);
	}
	const feeds = { params, stats };
	return await runInBatches(standardise(scene.seen), {
		session: decode,
		feeds,
		input: "smashed",
		output: "x",
		batchSize,
	});
}

/** Half a cosine from the first rate to a twentieth of it. */
function annealed(share: number): number {
	return firstLearningRate * (0.05 + (0.95 * (1 + Math.cos(Math.PI * share))) / 2);
}

function vector(data: Float32Array): Real {
	return { dtype: "float32", dims: [data.length], data };
}

function decoderGraphs(smashedShape: readonly number[], shape: readonly number[], loss: DecoderLoss) {
	const scratch = new GraphBuilder("audit/decoder");
	const declared = scratch.input("smashed", "float32", ["B", ...smashedShape]);
	const layout = declareSegment(scratch, (scope) => decoderNetwork(scratch, scope, declared, shape));
	const build = (training: boolean) => {
		const g = new GraphBuilder(`audit/decoder-${training ? "train" : "decode"}`);
		const smashed = g.input("smashed", "float32", ["B", ...smashedShape]);
		const params = g.input("params", "float32", [layout.params.length]);
		const decoder = bindSegment(g, layout, params, g.input("stats", "float32", [layout.stats.length]));
		const scope = decoder.scope(training);
		const guess = decoderNetwork(g, scope, smashed, shape);
		if (!training) {
			g.output("x", guess);
			return encodeModel(g.build());
		}
		const x = g.input("x", "float32", ["B", ...shape]);
		const learningRate = g.input("learningRate", "float32", []);
		const step = g.input("step", "float32", []);
		const slots = g.input("slots", "float32", [adamSlotsPerParameter * layout.params.length]);
		const difference = g.add("Sub", [guess, x]);
		let error = g.add("ReduceMean", [g.add("Mul", [difference, difference])], { keepdims: int(0) });
		if (loss === "similarity") {
			const alike = g.add("ReduceMean", [similarity(g, guess, x, shape)], { keepdims: int(0) });
			// The squared error keeps the brightness of a correlation, which does not see it.
			const weight = g.scalar(similarityKind(shape) === "ssim" ? 1 : 10);
			error = g.add("Sub", [g.add("Mul", [error, weight]), alike]);
		}
		const gradients = differentiate(g, [{ value: error }], decoder.values);
		const gradient = pack(g, layout.params, gradients);
		const next = adam(g, { params, gradient, slots, learningRate, step }, settings);
		g.output("next_params", next.params);
		g.output("next_slots", next.slots);
		g.output("next_stats", packStatistics(g, decoder, scope));
		g.output("loss", error);
		return encodeModel(g.build());
	};
	return { layout, train: build(true), decode: build(false) };
}
