import { int } from "../graph/attribute.js";
import { axisAttribute } from "./axes.js";
import { likeFirstInput } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const logSoftmax: Operator = {
	type: "LogSoftmax",
	infer: likeFirstInput,
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const axis = g.ints([axisAttribute(g.context(node), -1)]);
		const total = g.add("ReduceSum", [gradient, axis], { keepdims: int(1) });
		const probabilities = g.add("Exp", [node.outputs[0]]);
		return [g.add("Sub", [gradient, g.add("Mul", [probabilities, total])])];
	},
};
