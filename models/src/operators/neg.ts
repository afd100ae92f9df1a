import { likeFirstInput } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const neg: Operator = {
	type: "Neg",
	infer: likeFirstInput,
	backward: (g, _node, [gradient]) => [gradient && g.add("Neg", [gradient])],
};
