import { likeFirstInput } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const relu: Operator = {
	type: "Relu",
	infer: likeFirstInput,
	// The output is never negative, so its sign is 1 where the input was above 0, else 0.
	backward: (g, node, [gradient]) => [gradient && g.add("Mul", [gradient, g.add("Sign", [node.outputs[0]])])],
};
