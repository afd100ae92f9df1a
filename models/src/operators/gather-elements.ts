import { int } from "../graph/attribute.js";
import { axisAttribute } from "./axes.js";
import { zerosLike } from "./constants.js";
import { type Operator, requiredInput, shapeMismatch } from "./operator.js";

/** For each index along `axis` the element of the data there: shaped like the indices. */
export const gatherElements: Operator = {
	type: "GatherElements",
	infer(node) {
		const { dtype, shape } = requiredInput(node, 0);
		const indices = requiredInput(node, 1);
		axisAttribute(node, 0);
		if (indices.shape.length !== shape.length) throw shapeMismatch(node, "data and indices with as many axes");
		return [{ dtype, shape: indices.shape }];
	},
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const zeros = zerosLike(g, requiredInput(node, 0));
		const axis = int(axisAttribute(g.context(node), 0));
		return [
			g.add("ScatterElements", [zeros, node.inputs[1], gradient], {
				axis,
				reduction: { type: "string", value: "add" },
			}),
		];
	},
};
