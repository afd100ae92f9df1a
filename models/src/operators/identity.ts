import { type Operator, requiredInput } from "./operator.js";

export const identity: Operator = {
	type: "Identity",
	infer: (node) => [requiredInput(node, 0)],
	backward: (_g, _node, [gradient]) => [gradient],
};
