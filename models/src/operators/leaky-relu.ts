import { numberAttribute } from "../graph/attribute.js";
import { numberLike } from "./constants.js";
import { likeFirstInput } from "./elementwise.js";
import { type Operator, requiredInput } from "./operator.js";

export const leakyRelu: Operator = {
	type: "LeakyRelu",
	infer: likeFirstInput,
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const alpha = numberAttribute(node.attributes, "alpha", 0.01);
		const positive = g.add("Greater", [requiredInput(node, 0), numberLike(g, gradient, 0)]);
		return [g.add("Where", [positive, gradient, g.add("Mul", [gradient, numberLike(g, gradient, alpha)])])];
	},
};
