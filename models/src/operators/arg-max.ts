import { numberAttribute } from "../graph/attribute.js";
import { axisAttribute } from "./axes.js";
import { type Operator, requiredInput } from "./operator.js";

export const argMax: Operator = {
	type: "ArgMax",
	infer(node) {
		const { shape } = requiredInput(node, 0);
		const axis = axisAttribute(node, 0);
		const keepDims = numberAttribute(node.attributes, "keepdims", 1) === 1;
		const kept = shape.map((d, i) => (i === axis ? 1 : d));
		return [{ dtype: "int64", shape: keepDims ? kept : kept.filter((_, i) => i !== axis) }];
	},
	backward: () => [],
};
