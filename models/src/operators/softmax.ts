import { int } from "../graph/attribute.js";
import { axisAttribute } from "./axes.js";
import { likeFirstInput } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const softmax: Operator = {
	type: "Softmax",
	infer: likeFirstInput,
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const y = node.outputs[0];
		const axis = g.ints([axisAttribute(g.context(node), -1)]);
		const weighted = g.add("Mul", [gradient, y]);
		// y (gradient - sum(gradient y)), with the product gradient y made once.
		const total = g.add("ReduceSum", [weighted, axis], { keepdims: int(1) });
		return [g.add("Sub", [weighted, g.add("Mul", [y, total])])];
	},
};
