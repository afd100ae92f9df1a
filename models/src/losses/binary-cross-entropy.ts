import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { castTo } from "../operators/constants.js";
import { classCount } from "./class-targets.js";

export interface BinaryCrossEntropyOperands {
	/** [B,K], not normalised. */
	readonly logits: Value;
	/** [B,K] of any element type: 1 where a label applies to the sample, else 0. */
	readonly target: Value;
	/** float32 [K], how much a label that applies counts against one that does not. Default: all ones. */
	readonly positiveWeights?: Value | undefined;
}

/**
 * Binary cross-entropy [] of labels that apply independently of each other, as PyTorch's BCEWithLogitsLoss: the mean
 * over samples and labels of `-(w y log s(z) + (1 - y) log(1 - s(z)))`, s the logistic function. Safe for logits of
 * any finite size, and smooth, so that it can be differentiated twice: both logarithms come from one LogSoftmax of
 * (z/2, -z/2).
 *
 * @throws ShapeError `PSGL_LOSS_SHAPE` when the number of labels is not known.
 */
export function binaryCrossEntropy(g: GraphBuilder, operands: BinaryCrossEntropyOperands): Value {
	const { logits, positiveWeights } = operands;
	classCount(logits);
	const last = g.ints([2]);
	const pairs = g.add("Mul", [g.add("Unsqueeze", [logits, last]), g.floats([0.5, -0.5])]);
	const logProbabilities = g.add("LogSoftmax", [pairs], { axis: int(2) });
	const target = castTo(g, operands.target, "float32");
	const present = positiveWeights === undefined ? target : g.add("Mul", [target, positiveWeights]);
	const absent = g.add("Sub", [g.scalar(1), target]);
	const wanted = g.add(
		"Concat",
		[present, absent].map((v) => g.add("Unsqueeze", [v, last])),
		{ axis: int(2) },
	);
	const perLabel = g.add("ReduceSum", [g.add("Mul", [wanted, logProbabilities]), last], { keepdims: int(0) });
	return g.add("Neg", [g.add("ReduceMean", [perLabel, g.ints([0, 1])], { keepdims: int(0) })]);
}
