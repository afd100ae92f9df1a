import { numberLike } from "./constants.js";
import { likeFirstInput } from "./elementwise.js";
import type { Operator } from "./operator.js";

/** x / (1 + |x|). */
export const softsign: Operator = {
	type: "Softsign",
	infer: likeFirstInput,
	// (1 - |y|)^2
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const rest = g.add("Sub", [numberLike(g, gradient, 1), g.add("Abs", [node.outputs[0]])]);
		return [g.add("Mul", [gradient, g.add("Mul", [rest, rest])])];
	},
};
