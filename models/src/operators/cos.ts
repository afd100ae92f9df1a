import { likeFirstInput } from "./elementwise.js";
import { type Operator, requiredInput } from "./operator.js";

export const cos: Operator = {
	type: "Cos",
	infer: likeFirstInput,
	backward(g, node, [gradient]) {
		return [gradient && g.add("Neg", [g.add("Mul", [gradient, g.add("Sin", [requiredInput(node, 0)])])])];
	},
};
