import { comparedInputs } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const or: Operator = { type: "Or", infer: comparedInputs, backward: () => [] };
