import { type Operator, requiredInput } from "./operator.js";

/** Number of elements, an int64 scalar. It does not depend on the values, so its gradient is zero. */
export const size: Operator = {
	type: "Size",
	infer(node) {
		requiredInput(node, 0);
		return [{ dtype: "int64", shape: [] }];
	},
	backward: () => [],
};
