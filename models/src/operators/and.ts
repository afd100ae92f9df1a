import { comparedInputs } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const and: Operator = { type: "And", infer: comparedInputs, backward: () => [] };
