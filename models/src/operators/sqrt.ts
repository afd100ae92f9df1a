import { numberLike } from "./constants.js";
import { likeFirstInput } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const sqrt: Operator = {
	type: "Sqrt",
	infer: likeFirstInput,
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		return [g.add("Div", [g.add("Mul", [gradient, numberLike(g, gradient, 0.5)]), node.outputs[0]])];
	},
};
