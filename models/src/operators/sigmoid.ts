import { numberLike } from "./constants.js";
import { likeFirstInput } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const sigmoid: Operator = {
	type: "Sigmoid",
	infer: likeFirstInput,
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const y = node.outputs[0];
		const slope = g.add("Mul", [y, g.add("Sub", [numberLike(g, gradient, 1), y])]);
		return [g.add("Mul", [gradient, slope])];
	},
};
