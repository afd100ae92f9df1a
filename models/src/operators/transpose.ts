import { ints } from "../graph/attribute.js";
import type { Dim } from "../graph/graph.js";
import { permutation } from "./axes.js";
import { type Operator, requiredInput } from "./operator.js";

export const transpose: Operator = {
	type: "Transpose",
	infer(node) {
		const { dtype, shape } = requiredInput(node, 0);
		return [{ dtype, shape: permutation(node).map((axis) => shape[axis] as Dim) }];
	},
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const perm = permutation(g.context(node));
		const inverse = perm.map((_, axis) => perm.indexOf(axis));
		return [g.add("Transpose", [gradient], { perm: ints(inverse) })];
	},
};
