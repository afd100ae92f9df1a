import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { classCount, oneHot, sumOfAll } from "./class-targets.js";
import { meanSquaredError } from "./mean-squared-error.js";

export interface SquaredScoreErrorOperands {
	/** [B,K], not normalised. */
	readonly logits: Value;
	/** int64 [B], class index of each sample. */
	readonly target: Value;
	/** float32 [K]. Default: all ones. */
	readonly classWeights?: Value | undefined;
}

/**
 * Mean squared error [] of the soft-max probabilities against the class (Brier, Monthly Weather Review 78(1), 1950,
 * divided by the number of classes), weighted by the weight of each sample's class.
 *
 * @throws ShapeError `PSGL_LOSS_SHAPE` when the number of classes is not known.
 */
export function squaredScoreError(g: GraphBuilder, operands: SquaredScoreErrorOperands): Value {
	const { logits, target, classWeights } = operands;
	const classes = classCount(logits);
	const chosen = oneHot(g, target, classes);
	const probabilities = g.add("Softmax", [logits], { axis: int(1) });
	if (classWeights === undefined) return meanSquaredError(g, probabilities, chosen);
	const weights = g.add("ReduceSum", [g.add("Mul", [chosen, classWeights]), g.ints([1])], { keepdims: int(1) });
	const difference = g.add("Sub", [probabilities, chosen]);
	const total = sumOfAll(g, g.add("Mul", [g.add("Mul", [difference, difference]), weights]));
	return g.add("Div", [total, g.add("Mul", [sumOfAll(g, weights), g.scalar(classes)])]);
}
