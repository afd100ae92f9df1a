import { isMultiLabel, type LossSettings } from "@psgl/sdk/artifact";
import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { probabilitiesOf } from "../losses/loss.js";

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
 *
 * Where several labels may apply, scores are those of the logistic function and a stream's confidence is the mean over
 * the labels of max(p, 1 - p): sure that a label does not apply is sure too.
 */
export function decisionFusion(
	g: GraphBuilder,
	streams: readonly StreamDecision[],
	loss: LossSettings = { kind: "cross-entropy", labelSmoothing: 0 },
): Value {
	const weighted: Value[] = [];
	const weights: Value[] = [];
	for (const { logits, prior } of streams) {
		const scores = probabilitiesOf(g, loss, logits);
		const weight = g.add("Mul", [confidence(g, loss, scores), g.scalar(prior)]);
		weights.push(weight);
		weighted.push(g.add("Mul", [scores, weight]));
	}
	const sum = (values: readonly Value[]) => values.reduce((total, value) => g.add("Add", [total, value]));
	return g.add("Div", [sum(weighted), sum(weights)]);
}

/** [B,1] */
function confidence(g: GraphBuilder, loss: LossSettings, scores: Value): Value {
	if (!isMultiLabel(loss)) return g.add("ReduceMax", [scores, g.ints([1])], { keepdims: int(1) });
	const sure = g.add("Max", [scores, g.add("Sub", [g.scalar(1), scores])]);
	return g.add("ReduceMean", [sure, g.ints([1])], { keepdims: int(1) });
}
