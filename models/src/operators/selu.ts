import { numberAttribute } from "../graph/attribute.js";
import { likeFirstInput } from "./elementwise.js";
import { exponentialBelowZero } from "./exponential-below-zero.js";
import type { Operator } from "./operator.js";

/** gamma x above 0, gamma alpha (exp(x) - 1) below (Klambauer et al., "Self-Normalizing Neural Networks", 2017). */
export const selu: Operator = {
	type: "Selu",
	infer: likeFirstInput,
	backward(g, node, [gradient]) {
		const alpha = numberAttribute(node.attributes, "alpha", 1.6732631921768188);
		const gamma = numberAttribute(node.attributes, "gamma", 1.0507010221481323);
		return exponentialBelowZero(g, node, gradient, { above: gamma, factor: 1, offset: gamma * alpha });
	},
};
