import { likeFirstInput } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const abs: Operator = {
	type: "Abs",
	infer: likeFirstInput,
	// 0 at 0, as PyTorch.
	backward: (g, node, [gradient]) => [gradient && g.add("Mul", [gradient, g.add("Sign", [node.inputs[0]])])],
};
