import { comparedInputs } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const less: Operator = { type: "Less", infer: comparedInputs, backward: () => [] };
