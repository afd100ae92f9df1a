import { int, numberAttribute } from "../graph/attribute.js";
import { resolveAxis } from "./axes.js";
import { constantInts, type Operator, requiredInput } from "./operator.js";

/** Sums of the elements up to each along a constant axis; `exclusive` leaves the element itself out, `reverse` starts at the end. */
export const cumSum: Operator = {
	type: "CumSum",
	limits: "constant axis",
	infer(node) {
		const { dtype, shape } = requiredInput(node, 0);
		resolveAxis(node, constantInts(node, 1)[0] ?? 0, shape.length);
		return [{ dtype, shape }];
	},
	// Each element is part of all sums behind it: the same from the other end.
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const exclusive = int(numberAttribute(node.attributes, "exclusive", 0));
		const reverse = int(1 - numberAttribute(node.attributes, "reverse", 0));
		return [g.add("CumSum", [gradient, node.inputs[1]], { exclusive, reverse })];
	},
};
