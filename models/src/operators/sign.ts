import { likeFirstInput } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const sign: Operator = {
	type: "Sign",
	infer: likeFirstInput,
	// Constant between its steps.
	backward: () => [],
};
