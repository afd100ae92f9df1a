import { comparedInputs } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const greaterOrEqual: Operator = { type: "GreaterOrEqual", infer: comparedInputs, backward: () => [] };
