import { likeReduced } from "./axes.js";
import type { Operator } from "./operator.js";
import { keepReducedAxes, spreadReduced } from "./spread-reduced.js";

/** Logarithm of the sum, with the axes as constant input 1. */
export const reduceLogSum: Operator = {
	type: "ReduceLogSum",
	limits: "constant axes",
	infer: likeReduced,
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const share = g.add("Mul", [gradient, g.add("Exp", [g.add("Neg", [node.outputs[0]])])]);
		return [spreadReduced(g, node, keepReducedAxes(g, node, share))];
	},
};
