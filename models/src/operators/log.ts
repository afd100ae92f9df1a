import { likeFirstInput } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const log: Operator = {
	type: "Log",
	infer: likeFirstInput,
	backward: (g, node, [gradient]) => [gradient && g.add("Div", [gradient, node.inputs[0]])],
};
