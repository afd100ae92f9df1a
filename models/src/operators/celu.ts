import { numberAttribute } from "../graph/attribute.js";
import { likeFirstInput } from "./elementwise.js";
import { exponentialBelowZero } from "./exponential-below-zero.js";
import type { Operator } from "./operator.js";

/** x above 0, alpha (exp(x / alpha) - 1) below. */
export const celu: Operator = {
	type: "Celu",
	since: 12,
	infer: likeFirstInput,
	backward(g, node, [gradient]) {
		const alpha = numberAttribute(node.attributes, "alpha", 1);
		return exponentialBelowZero(g, node, gradient, { above: 1, factor: 1 / alpha, offset: 1 });
	},
};
