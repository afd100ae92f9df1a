import type { Value } from "../graph/graph.js";
import { likeReduced } from "./axes.js";
import { type Operator, requiredInput } from "./operator.js";
import { keepReducedAxes } from "./spread-reduced.js";

/** Logarithm of the sum of exponentials, with the axes as constant input 1. */
export const reduceLogSumExp: Operator = {
	type: "ReduceLogSumExp",
	limits: "constant axes",
	infer: likeReduced,
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const total = keepReducedAxes(g, node, node.outputs[0] as Value);
		const share = g.add("Exp", [g.add("Sub", [requiredInput(node, 0), total])]);
		return [g.add("Mul", [share, keepReducedAxes(g, node, gradient)])];
	},
};
