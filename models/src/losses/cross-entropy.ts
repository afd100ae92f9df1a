import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { classCount, oneHot, sumOfAll } from "./class-targets.js";

export interface CrossEntropyOperands {
	/** [B,K], not normalised. */
	readonly logits: Value;
	/** int64 [B], class index of each sample. */
	readonly target: Value;
	/** float32 [K]. Default: all ones. */
	readonly classWeights?: Value | undefined;
	/** Share of the target spread evenly over all classes. Default 0. */
	readonly labelSmoothing?: number | undefined;
}

/**
 * Soft-max cross-entropy [] as PyTorch's CrossEntropyLoss: the mean over the batch, weighted by the weight of
 * each sample's class. Safe for logits of any finite size. NaN where all of a batch's weights are 0.
 *
 * @throws ShapeError `PSGL_LOSS_SHAPE` when the number of classes is not known.
 */
export function crossEntropy(g: GraphBuilder, operands: CrossEntropyOperands): Value {
	const { logits, target, classWeights, labelSmoothing = 0 } = operands;
	const classes = classCount(logits);
	const chosen = oneHot(g, target, classes);
	const weigh = (rows: Value) => (classWeights === undefined ? rows : g.add("Mul", [rows, classWeights]));
	const weights = weigh(chosen);
	const wanted = labelSmoothing === 0 ? weights : weigh(smoothed(g, chosen, labelSmoothing, classes));
	const logProbabilities = g.add("LogSoftmax", [logits], { axis: int(1) });
	const total = sumOfAll(g, g.add("Mul", [wanted, logProbabilities]));
	return g.add("Neg", [g.add("Div", [total, sumOfAll(g, weights)])]);
}

function smoothed(g: GraphBuilder, chosen: Value, labelSmoothing: number, classes: number): Value {
	return g.add("Add", [g.add("Mul", [chosen, g.scalar(1 - labelSmoothing)]), g.scalar(labelSmoothing / classes)]);
}
