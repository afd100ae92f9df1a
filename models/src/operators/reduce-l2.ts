import type { Value } from "../graph/graph.js";
import { likeReduced } from "./axes.js";
import { numberLike } from "./constants.js";
import { type Operator, requiredInput } from "./operator.js";
import { keepReducedAxes } from "./spread-reduced.js";

/** Square root of the sum of squares, with the axes as constant input 1. */
export const reduceL2: Operator = {
	type: "ReduceL2",
	limits: "constant axes",
	infer: likeReduced,
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const norm = keepReducedAxes(g, node, node.outputs[0] as Value);
		const [zero, one] = [numberLike(g, gradient, 0), numberLike(g, gradient, 1)];
		// 0 where the norm is 0, as PyTorch: all elements are 0 there.
		const divisor = g.add("Where", [g.add("Equal", [norm, zero]), one, norm]);
		const share = g.add("Div", [keepReducedAxes(g, node, gradient), divisor]);
		return [g.add("Mul", [requiredInput(node, 0), share])];
	},
};
