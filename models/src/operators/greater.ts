import { comparedInputs } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const greater: Operator = { type: "Greater", infer: comparedInputs, backward: () => [] };
