import { likeFirstInput } from "./elementwise.js";
import type { Operator } from "./operator.js";

/** log(1 + exp(x)). */
export const softplus: Operator = {
	type: "Softplus",
	infer: likeFirstInput,
	backward: (g, node, [gradient]) => [gradient && g.add("Mul", [gradient, g.add("Sigmoid", [node.inputs[0]])])],
};
