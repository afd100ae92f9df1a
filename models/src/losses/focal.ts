import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { classCount, oneHot } from "./class-targets.js";

export interface FocalOperands {
	/** [B,K], not normalised. */
	readonly logits: Value;
	/** int64 [B], class index of each sample. */
	readonly target: Value;
	/** How much less samples count that are recognised already: 0 is cross-entropy, 2 the paper's choice. */
	readonly gamma: number;
	/** float32 [K], alpha of each class. Default: all ones. */
	readonly alpha?: Value | undefined;
}

/** Keeps the slope of a power below 1 finite where a sample is recognised beyond doubt. */
const smallestDoubt = 1e-7;

/**
 * Focal loss [] over soft-max probabilities (Lin et al., ICCV 2017, Eq. 5): the mean over the batch of
 * `-alpha_y (1 - p_y)^gamma log p_y`. The mean is not divided by the alphas, as in the paper.
 *
 * @throws ShapeError `PSGL_LOSS_SHAPE` when the number of classes is not known.
 */
export function focal(g: GraphBuilder, { logits, target, gamma, alpha }: FocalOperands): Value {
	const chosen = oneHot(g, target, classCount(logits));
	const ofLabel = (rows: Value) =>
		g.add("ReduceSum", [g.add("Mul", [chosen, rows]), g.ints([1])], { keepdims: int(0) });
	const logProbability = ofLabel(g.add("LogSoftmax", [logits], { axis: int(1) }));
	const doubt = g.add("Sub", [g.scalar(1), g.add("Exp", [logProbability])]);
	const share = g.add("Pow", [g.add("Max", [doubt, g.scalar(smallestDoubt)]), g.scalar(gamma)]);
	const perSample = g.add("Mul", [share, logProbability]);
	const weighted = alpha === undefined ? perSample : g.add("Mul", [perSample, ofLabel(alpha)]);
	return g.add("Neg", [g.add("ReduceMean", [weighted, g.ints([0])], { keepdims: int(0) })]);
}
