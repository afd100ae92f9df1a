import { sumToShape } from "./broadcast.js";
import { broadcastInputs } from "./elementwise.js";
import { type Operator, requiredInput } from "./operator.js";

export const mul: Operator = {
	type: "Mul",
	infer: broadcastInputs,
	backward(g, node, [gradient], needed) {
		if (gradient === undefined) return [];
		const a = requiredInput(node, 0);
		const b = requiredInput(node, 1);
		return [
			needed[0] ? sumToShape(g, g.add("Mul", [gradient, b]), a) : undefined,
			needed[1] ? sumToShape(g, g.add("Mul", [gradient, a]), b) : undefined,
		];
	},
};
