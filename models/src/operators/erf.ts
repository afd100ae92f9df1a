import { numberLike } from "./constants.js";
import { likeFirstInput } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const erf: Operator = {
	type: "Erf",
	infer: likeFirstInput,
	// 2 / sqrt(pi) exp(-x^2)
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const x = node.inputs[0];
		const bell = g.add("Exp", [g.add("Neg", [g.add("Mul", [x, x])])]);
		return [g.add("Mul", [gradient, g.add("Mul", [bell, numberLike(g, gradient, 2 / Math.sqrt(Math.PI))])])];
	},
};
