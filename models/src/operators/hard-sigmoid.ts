import { numberAttribute } from "../graph/attribute.js";
import { numberLike } from "./constants.js";
import { likeFirstInput } from "./elementwise.js";
import type { Operator } from "./operator.js";
import { steepest } from "./step.js";

/** alpha x + beta, cut to [0, 1]. */
export const hardSigmoid: Operator = {
	type: "HardSigmoid",
	infer: likeFirstInput,
	// No slope at the bounds themselves, as PyTorch.
	backward(g, node, [gradient]) {
		const slope = numberAttribute(node.attributes, "alpha", 0.2);
		if (gradient === undefined || slope >= steepest) return [];
		const y = node.outputs[0];
		const [zero, one] = [numberLike(g, gradient, 0), numberLike(g, gradient, 1)];
		const inside = g.add("And", [g.add("Greater", [y, zero]), g.add("Less", [y, one])]);
		return [g.add("Where", [inside, g.add("Mul", [gradient, numberLike(g, gradient, slope)]), zero])];
	},
};
