import { type Operator, requiredInput } from "./operator.js";

/** 1/x. */
export const reciprocal: Operator = {
	type: "Reciprocal",
	infer: (node) => [requiredInput(node, 0)],
	backward(g, node, [gradient]) {
		const y = node.outputs[0];
		return [g.add("Neg", [g.add("Mul", [gradient, g.add("Mul", [y, y])])])];
	},
};
