import { reduction } from "./axes.js";
import { type Operator, requiredInput } from "./operator.js";
import { keepReducedAxes, spreadReduced } from "./spread-reduced.js";

/** ReduceSum with its axes as constant input 1. */
export const reduceSum: Operator = {
	type: "ReduceSum",
	infer: (node) => [{ dtype: requiredInput(node, 0).dtype, shape: reduction(node).shape }],
	backward(g, node, [gradient]) {
		return [gradient && spreadReduced(g, node, keepReducedAxes(g, node, gradient))];
	},
};
