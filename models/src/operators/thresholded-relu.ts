import { numberAttribute } from "../graph/attribute.js";
import { numberLike } from "./constants.js";
import { likeFirstInput } from "./elementwise.js";
import { type Operator, requiredInput } from "./operator.js";

/** x where it is above alpha, else 0. */
export const thresholdedRelu: Operator = {
	type: "ThresholdedRelu",
	infer: likeFirstInput,
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const alpha = numberLike(g, gradient, numberAttribute(node.attributes, "alpha", 1));
		const passes = g.add("Greater", [requiredInput(node, 0), alpha]);
		return [g.add("Where", [passes, gradient, numberLike(g, gradient, 0)])];
	},
};
