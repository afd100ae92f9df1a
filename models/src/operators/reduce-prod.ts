import { reduction } from "./axes.js";
import { type Operator, requiredInput } from "./operator.js";

/** ReduceProd with its axes as constant input 1: for counting elements, so it has no derivative. */
export const reduceProd: Operator = {
	type: "ReduceProd",
	infer: (node) => [{ dtype: requiredInput(node, 0).dtype, shape: reduction(node).shape }],
};
