import { numberAttribute } from "../graph/attribute.js";
import { numberLike } from "./constants.js";
import { likeFirstInput } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const elu: Operator = {
	type: "Elu",
	infer: likeFirstInput,
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const alpha = numberLike(g, gradient, numberAttribute(node.attributes, "alpha", 1));
		const positive = g.add("Greater", [node.inputs[0], numberLike(g, gradient, 0)]);
		// Below 0 the output is alpha (exp(x) - 1), its slope alpha exp(x).
		const below = g.add("Mul", [gradient, g.add("Add", [node.outputs[0], alpha])]);
		return [g.add("Where", [positive, gradient, below])];
	},
};
