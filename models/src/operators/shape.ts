import { type Attributes, numberAttribute } from "../graph/attribute.js";
import type { Shape } from "../graph/graph.js";
import { type Operator, requiredInput } from "./operator.js";

/** Extents of the input from axis `start` to axis `end`, int64. They do not depend on the values, so the gradient is zero. */
export const shape: Operator = {
	type: "Shape",
	infer(node) {
		return [{ dtype: "int64", shape: [measuredExtents(requiredInput(node, 0).shape, node.attributes).length] }];
	},
	backward: () => [],
};

/** The extents of `shape` a Shape node with these attributes gives. */
export function measuredExtents(shape: Shape, attributes: Attributes): Shape {
	const bound = (name: string, fallback: number) => {
		const given = numberAttribute(attributes, name, fallback);
		return Math.min(Math.max(given < 0 ? given + shape.length : given, 0), shape.length);
	};
	return shape.slice(bound("start", 0), bound("end", shape.length));
}
