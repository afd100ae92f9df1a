import { sumToShape } from "./broadcast.js";
import { broadcastInputs } from "./elementwise.js";
import { type Operator, requiredInput } from "./operator.js";

export const add: Operator = {
	type: "Add",
	infer: broadcastInputs,
	backward(g, node, [gradient], needed) {
		if (gradient === undefined) return [];
		return needed.map((wanted, i) => (wanted ? sumToShape(g, gradient, requiredInput(node, i)) : undefined));
	},
};
