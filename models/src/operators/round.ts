import { likeFirstInput } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const round: Operator = {
	type: "Round",
	infer: likeFirstInput,
	// Constant between its steps.
	backward: () => [],
};
