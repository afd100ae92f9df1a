import { sumToShape } from "./broadcast.js";
import { broadcastInputs } from "./elementwise.js";
import { type Operator, requiredInput } from "./operator.js";

export const sub: Operator = {
	type: "Sub",
	infer: broadcastInputs,
	backward(g, node, [gradient], needed) {
		if (gradient === undefined) return [];
		return [
			needed[0] ? sumToShape(g, gradient, requiredInput(node, 0)) : undefined,
			needed[1] ? g.add("Neg", [sumToShape(g, gradient, requiredInput(node, 1))]) : undefined,
		];
	},
};
