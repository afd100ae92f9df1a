import { likeReduced } from "./axes.js";
import type { Operator } from "./operator.js";
import { keepReducedAxes, spreadReduced } from "./spread-reduced.js";

/** ReduceSum with its axes as constant input 1. */
export const reduceSum: Operator = {
	type: "ReduceSum",
	limits: "constant axes",
	infer: likeReduced,
	backward(g, node, [gradient]) {
		return [gradient && spreadReduced(g, node, keepReducedAxes(g, node, gradient))];
	},
};
