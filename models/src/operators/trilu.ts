import { int, numberAttribute } from "../graph/attribute.js";
import { likeFirstInput } from "./elementwise.js";
import type { Operator } from "./operator.js";

/** The part of the matrices [...,M,N] above the diagonal `k` (`upper`) or below it, that included; zeros elsewhere. */
export const trilu: Operator = {
	type: "Trilu",
	since: 14,
	infer: likeFirstInput,
	backward(g, node, [gradient]) {
		const upper = int(numberAttribute(node.attributes, "upper", 1));
		return [gradient && g.add("Trilu", [gradient, node.inputs[1]], { upper })];
	},
};
