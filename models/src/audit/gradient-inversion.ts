import type { Tensor, Tensors } from "@psgl/sdk";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import type { AttackScene } from "./attack-scene.js";
import { lossAtCut } from "./client-gradients.js";
import { joinRows } from "./run-in-batches.js";
import { fallingRate, SampleSearch } from "./sample-search.js";

type Real = Tensor<"float32">;

/** How a gradient attack looks for a sample. */
export interface GradientInversion {
	/** [] how far the gradient of a guess's loss, with respect to `params`, is from what was seen. */
	readonly distance: (g: GraphBuilder, loss: Value, params: Value, seen: Value, x: Value) => Value;
	readonly variationWeight: number;
	readonly follow: "gradient" | "signs";
	readonly learningRate: number;
	/** Where the search begins: one sample, flat. */
	readonly start: (victim: number) => Float32Array;
}

/**
 * Looks, one victim at a time, for the sample whose gradient of the client segment is the one that was seen. The gradient
 * at the cut is known, since the aggregator made it, so that neither label nor server segment has to be guessed.
 */
export async function gradientInversion(scene: AttackScene, way: GradientInversion): Promise<Real> {
	const { target, runtime, threads, budget, signal, onProgress } = scene;
	const { manifest } = target;
	const observed = await scene.device.gradients(budget.gradientVictims, signal);
	const objective = (g: GraphBuilder, { x, added }: { readonly x: Value; readonly added: Value | "own" | "none" }) => {
		const cut = g.input("cut", "float32", [1, ...manifest.smashedShape]);
		const { loss, params } = lossAtCut(g, target, x, added, cut);
		return way.distance(g, loss, params, g.input("seen", "float32", params.shape), x);
	};
	const { variationWeight, follow, learningRate } = way;
	const options = {
		manifest,
		runtime,
		threads,
		count: 1,
		objective,
		variationWeight,
		follow,
		map: "variable",
	} as const;
	await using search = await SampleSearch.load(options);
	const found: Real[] = [];
	for (const [victim, { cut, client }] of observed.entries()) {
		const feeds: Tensors = { cut, seen: client };
		let state = search.start(way.start(victim));
		for (let step = 1; step <= budget.gradientSteps; step++) {
			signal?.throwIfAborted();
			state = await search.step(state, fallingRate(learningRate, step, budget.gradientSteps), feeds);
		}
		found.push(search.samples(state));
		onProgress?.((victim + 1) / observed.length);
	}
	return joinRows(found);
}
