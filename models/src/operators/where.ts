import { broadcastShapes, sumToShape } from "./broadcast.js";
import { numberLike } from "./constants.js";
import { sameDtype } from "./elementwise.js";
import { type Operator, requiredInput } from "./operator.js";

export const where: Operator = {
	type: "Where",
	infer(node) {
		const condition = requiredInput(node, 0);
		const a = requiredInput(node, 1);
		const b = requiredInput(node, 2);
		const { dtype } = sameDtype(node, [a, b]);
		return [{ dtype, shape: broadcastShapes(node, [condition.shape, a.shape, b.shape]) }];
	},
	backward(g, node, [gradient], needed) {
		if (gradient === undefined) return [];
		const condition = requiredInput(node, 0);
		const zero = numberLike(g, gradient, 0);
		return [
			undefined,
			needed[1] ? sumToShape(g, g.add("Where", [condition, gradient, zero]), requiredInput(node, 1)) : undefined,
			needed[2] ? sumToShape(g, g.add("Where", [condition, zero, gradient]), requiredInput(node, 2)) : undefined,
		];
	},
};
