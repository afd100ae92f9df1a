import { likeFirstInput } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const exp: Operator = {
	type: "Exp",
	infer: likeFirstInput,
	backward: (g, node, [gradient]) => [gradient && g.add("Mul", [gradient, node.outputs[0]])],
};
