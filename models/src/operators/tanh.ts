import { numberLike } from "./constants.js";
import { likeFirstInput } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const tanh: Operator = {
	type: "Tanh",
	infer: likeFirstInput,
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const y = node.outputs[0];
		const slope = g.add("Sub", [numberLike(g, gradient, 1), g.add("Mul", [y, y])]);
		return [g.add("Mul", [gradient, slope])];
	},
};
