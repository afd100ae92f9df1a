import { likeFirstInput } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const ceil: Operator = {
	type: "Ceil",
	infer: likeFirstInput,
	// Constant between its steps.
	backward: () => [],
};
