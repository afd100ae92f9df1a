import { sumToShape } from "./broadcast.js";
import { broadcastInputs } from "./elementwise.js";
import { type Operator, requiredInput } from "./operator.js";

export const div: Operator = {
	type: "Div",
	infer: broadcastInputs,
	backward(g, node, [gradient], needed) {
		if (gradient === undefined) return [];
		const a = requiredInput(node, 0);
		const b = requiredInput(node, 1);
		const quotient = node.outputs[0];
		const scaled = g.add("Div", [gradient, b]);
		return [
			needed[0] ? sumToShape(g, scaled, a) : undefined,
			// d(a/b)/db = -(a/b)/b
			needed[1] ? g.add("Neg", [sumToShape(g, g.add("Mul", [scaled, quotient]), b)]) : undefined,
		];
	},
};
