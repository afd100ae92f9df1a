import { likeReduced } from "./axes.js";
import { numberLike } from "./constants.js";
import { type Operator, requiredInput } from "./operator.js";
import { keepReducedAxes } from "./spread-reduced.js";

/** Sum of squares, with the axes as constant input 1. */
export const reduceSumSquare: Operator = {
	type: "ReduceSumSquare",
	limits: "constant axes",
	infer: likeReduced,
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const twice = g.add("Mul", [keepReducedAxes(g, node, gradient), numberLike(g, gradient, 2)]);
		return [g.add("Mul", [requiredInput(node, 0), twice])];
	},
};
