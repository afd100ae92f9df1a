import { likeFirstInput } from "./elementwise.js";
import { type Operator, requiredInput } from "./operator.js";

export const sin: Operator = {
	type: "Sin",
	infer: likeFirstInput,
	backward: (g, node, [gradient]) => [gradient && g.add("Mul", [gradient, g.add("Cos", [requiredInput(node, 0)])])],
};
