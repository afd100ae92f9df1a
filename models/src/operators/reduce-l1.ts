import { likeReduced } from "./axes.js";
import { type Operator, requiredInput } from "./operator.js";
import { keepReducedAxes } from "./spread-reduced.js";

/** Sum of magnitudes, with the axes as constant input 1. */
export const reduceL1: Operator = {
	type: "ReduceL1",
	limits: "constant axes",
	infer: likeReduced,
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const sign = g.add("Sign", [requiredInput(node, 0)]);
		return [g.add("Mul", [sign, keepReducedAxes(g, node, gradient)])];
	},
};
