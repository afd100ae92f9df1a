import { numberAttribute } from "../graph/attribute.js";
import type { Dim } from "../graph/graph.js";
import { resolveAxis } from "./axes.js";
import { constantInts, type Operator, requiredInput } from "./operator.js";

/** OneHot with a constant depth. No gradient flows through it: its values (off, on) are settings. */
export const oneHot: Operator = {
	type: "OneHot",
	limits: "constant depth; no gradient to the values",
	infer(node) {
		const { shape } = requiredInput(node, 0);
		const depth = constantInts(node, 1)[0] ?? 0;
		const axis = resolveAxis(node, numberAttribute(node.attributes, "axis", -1), shape.length + 1);
		const result: Dim[] = [...shape];
		result.splice(axis, 0, depth);
		return [{ dtype: requiredInput(node, 2).dtype, shape: result }];
	},
	backward: () => [],
};
