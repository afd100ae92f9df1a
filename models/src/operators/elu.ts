import { numberAttribute } from "../graph/attribute.js";
import { likeFirstInput } from "./elementwise.js";
import { exponentialBelowZero } from "./exponential-below-zero.js";
import type { Operator } from "./operator.js";

/** x above 0, alpha (exp(x) - 1) below. */
export const elu: Operator = {
	type: "Elu",
	infer: likeFirstInput,
	backward(g, node, [gradient]) {
		const alpha = numberAttribute(node.attributes, "alpha", 1);
		return exponentialBelowZero(g, node, gradient, { above: 1, factor: 1, offset: alpha });
	},
};
