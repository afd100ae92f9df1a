import { numberAttribute } from "../graph/attribute.js";
import { type Operator, requiredInput } from "./operator.js";

export const shape: Operator = {
	type: "Shape",
	infer(node) {
		const rank = requiredInput(node, 0).shape.length;
		const bound = (name: string, fallback: number) => {
			const given = numberAttribute(node.attributes, name, fallback);
			return Math.min(Math.max(given < 0 ? given + rank : given, 0), rank);
		};
		return [{ dtype: "int64", shape: [Math.max(0, bound("end", rank) - bound("start", 0))] }];
	},
	backward: () => [],
};
