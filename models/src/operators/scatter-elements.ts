import { int, stringAttribute } from "../graph/attribute.js";
import { axisAttribute } from "./axes.js";
import { zerosLike } from "./constants.js";
import { likeFirstInput } from "./elementwise.js";
import { noGradient, type Operator, requiredInput } from "./operator.js";

/** The data with updates added at the indices along `axis`, or put there. */
export const scatterElements: Operator = {
	type: "ScatterElements",
	limits: "`reduction` none or add where it is differentiated",
	infer: likeFirstInput,
	backward(g, node, [gradient], needed) {
		if (gradient === undefined) return [];
		const indices = requiredInput(node, 1);
		const axis = int(axisAttribute(g.context(node), 0));
		const reduction = stringAttribute(node.attributes, "reduction", "none");
		if (reduction !== "add" && reduction !== "none") throw noGradient(node, 0);
		const gathered = needed[2] ? g.add("GatherElements", [gradient, indices], { axis }) : undefined;
		if (reduction === "add" || !needed[0]) return [gradient, undefined, gathered];
		// What was overwritten does not matter any more.
		const zeros = zerosLike(g, requiredInput(node, 2));
		return [g.add("ScatterElements", [gradient, indices, zeros], { axis }), undefined, gathered];
	},
};
