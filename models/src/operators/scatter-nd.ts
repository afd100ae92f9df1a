import { stringAttribute } from "../graph/attribute.js";
import { zerosLike } from "./constants.js";
import { likeFirstInput } from "./elementwise.js";
import { indexLength } from "./index-length.js";
import { noGradient, type Operator, requiredInput, shapeMismatch } from "./operator.js";

/** The data with updates put at the indices [...,K], or added there: what exporters make of `x[a:b] = y`. */
export const scatterND: Operator = {
	type: "ScatterND",
	limits: "`reduction` none or add where it is differentiated",
	infer(node) {
		const { shape } = requiredInput(node, 0);
		const indices = requiredInput(node, 1).shape;
		const expected = [...indices.slice(0, -1), ...shape.slice(indexLength(node))];
		if (requiredInput(node, 2).shape.length !== expected.length) {
			throw shapeMismatch(node, `updates [${expected.join(",")}]`);
		}
		return likeFirstInput(node);
	},
	backward(g, node, [gradient], needed) {
		if (gradient === undefined) return [];
		const indices = requiredInput(node, 1);
		const reduction = stringAttribute(node.attributes, "reduction", "none");
		if (reduction !== "add" && reduction !== "none") throw noGradient(node, 0);
		const gathered = needed[2] ? g.add("GatherND", [gradient, indices]) : undefined;
		if (reduction === "add" || !needed[0]) return [gradient, undefined, gathered];
		// What was overwritten does not matter any more.
		const zeros = zerosLike(g, requiredInput(node, 2));
		return [g.add("ScatterND", [gradient, indices, zeros]), undefined, gathered];
	},
};
