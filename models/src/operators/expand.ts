import { broadcastShapes, sumToShape } from "./broadcast.js";
import { constantInts, type Operator, requiredInput } from "./operator.js";

/** Expand to a constant shape or to that of another tensor (from a Shape node). */
export const expand: Operator = {
	type: "Expand",
	limits: "a shape known before the graph runs",
	infer(node) {
		const { dtype, shape } = requiredInput(node, 0);
		return [{ dtype, shape: broadcastShapes(node, [shape, node.shape(1) ?? constantInts(node, 1)]) }];
	},
	backward(g, node, [gradient]) {
		return [gradient && sumToShape(g, gradient, requiredInput(node, 0))];
	},
};
