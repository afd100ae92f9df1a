import { broadcastShapes, sumToShape } from "./broadcast.js";
import { castTo, numberLike } from "./constants.js";
import { noGradient, type Operator, requiredInput } from "./operator.js";

/** Power with a constant exponent: psgl has no gradient with respect to the exponent. */
export const pow: Operator = {
	type: "Pow",
	infer(node) {
		const { dtype, shape } = requiredInput(node, 0);
		return [{ dtype, shape: broadcastShapes(node, [shape, requiredInput(node, 1).shape]) }];
	},
	backward(g, node, [gradient], needed) {
		if (gradient === undefined) return [];
		if (needed[1]) throw noGradient(node, 1);
		const x = requiredInput(node, 0);
		const exponent = castTo(g, requiredInput(node, 1), x.dtype);
		const lower = g.add("Sub", [exponent, numberLike(g, x, 1)]);
		const slope = g.add("Mul", [g.add("Pow", [x, lower]), exponent]);
		return [sumToShape(g, g.add("Mul", [gradient, slope]), x)];
	},
};
