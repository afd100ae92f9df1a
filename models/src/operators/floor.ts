import { likeFirstInput } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const floor: Operator = {
	type: "Floor",
	infer: likeFirstInput,
	// Constant between its steps.
	backward: () => [],
};
