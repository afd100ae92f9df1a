import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";

/** Prior weights of the streams: recovered, fused, attacked (Khowaja et al. 2023). */
export const streamPriors = { R: 0.5, F: 0.3, A: 0.2 } as const;

/** One stream's logits [B,K] and its prior weight. */
export interface StreamDecision {
	readonly logits: Value;
	readonly prior: number;
}

/**
 * Decision-level fusion: average of the streams' soft-max scores [B,K], each weighted by its prior times its largest
 * score, normalised for each sample. Returns scores [B,K] that add up to one.
 */
export function decisionFusion(g: GraphBuilder, streams: readonly StreamDecision[]): Value {
	const weighted: Value[] = [];
	const weights: Value[] = [];
	for (const { logits, prior } of streams) {
		const scores = g.add("Softmax", [logits], { axis: int(1) });
		const best = g.add("ReduceMax", [scores, g.ints([1])], { keepdims: int(1) });
		const weight = g.add("Mul", [best, g.scalar(prior)]);
		weights.push(weight);
		weighted.push(g.add("Mul", [scores, weight]));
	}
	const sum = (values: readonly Value[]) => values.reduce((total, value) => g.add("Add", [total, value]));
	return g.add("Div", [sum(weighted), sum(weights)]);
}
