import { comparedInputs } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const lessOrEqual: Operator = { type: "LessOrEqual", infer: comparedInputs, backward: () => [] };
