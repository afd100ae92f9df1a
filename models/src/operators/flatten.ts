import { numberAttribute } from "../graph/attribute.js";
import { type Operator, requiredInput } from "./operator.js";
import { reshapeTo } from "./reshape.js";
import { multiplyDims } from "./symbolic.js";

/** Flattens into a matrix: the axes before `axis`, and the others. */
export const flatten: Operator = {
	type: "Flatten",
	infer(node) {
		const { dtype, shape } = requiredInput(node, 0);
		const given = numberAttribute(node.attributes, "axis", 1);
		const axis = given < 0 ? given + shape.length : given;
		return [{ dtype, shape: [multiplyDims(shape.slice(0, axis)), multiplyDims(shape.slice(axis))] }];
	},
	backward(g, node, [gradient]) {
		return [gradient && reshapeTo(g, gradient, requiredInput(node, 0))];
	},
};
