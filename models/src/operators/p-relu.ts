import { broadcastShapes, sumToShape } from "./broadcast.js";
import { numberLike } from "./constants.js";
import { sameDtype } from "./elementwise.js";
import { type Operator, requiredInput, shapeMismatch } from "./operator.js";

/** x above 0, slope x below; the slopes broadcast to x. */
export const pRelu: Operator = {
	type: "PRelu",
	infer(node) {
		const x = requiredInput(node, 0);
		const slope = requiredInput(node, 1);
		const { dtype, shape } = sameDtype(node, [x, slope]);
		const result = broadcastShapes(node, [shape, slope.shape]);
		if (result.length !== shape.length || result.some((d, i) => d !== shape[i] && shape[i] === 1)) {
			throw shapeMismatch(node, "slopes that broadcast to the first input");
		}
		return [{ dtype, shape }];
	},
	backward(g, node, [gradient], needed) {
		if (gradient === undefined) return [];
		const x = requiredInput(node, 0);
		const slope = requiredInput(node, 1);
		const zero = numberLike(g, gradient, 0);
		const positive = g.add("Greater", [x, zero]);
		const toSlope = () => sumToShape(g, g.add("Where", [positive, zero, g.add("Mul", [gradient, x])]), slope);
		return [
			needed[0] ? g.add("Where", [positive, gradient, g.add("Mul", [gradient, slope])]) : undefined,
			needed[1] ? toSlope() : undefined,
		];
	},
};
