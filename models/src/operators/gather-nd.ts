import { numberAttribute, string } from "../graph/attribute.js";
import { zerosLike } from "./constants.js";
import { indexLength } from "./index-length.js";
import { type Operator, requiredInput, shapeMismatch } from "./operator.js";

/** For each index of K numbers [...,K] what the data hold there: an element, or a slice where K is less than the axes. */
export const gatherND: Operator = {
	type: "GatherND",
	limits: "batch_dims 0",
	infer(node) {
		const { dtype, shape } = requiredInput(node, 0);
		if (numberAttribute(node.attributes, "batch_dims", 0) !== 0) throw shapeMismatch(node, "batch_dims 0");
		const indices = requiredInput(node, 1);
		return [{ dtype, shape: [...indices.shape.slice(0, -1), ...shape.slice(indexLength(node))] }];
	},
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const zeros = zerosLike(g, requiredInput(node, 0));
		return [g.add("ScatterND", [zeros, node.inputs[1], gradient], { reduction: string("add") })];
	},
};
