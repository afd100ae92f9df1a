import { likeFirstInput } from "./elementwise.js";
import type { Operator } from "./operator.js";
import { aboveZero } from "./step.js";

export const relu: Operator = {
	type: "Relu",
	infer: likeFirstInput,
	backward(g, node, [gradient]) {
		const [y] = node.outputs;
		return gradient === undefined || y === undefined ? [] : [g.add("Mul", [gradient, aboveZero(g, y)])];
	},
};
