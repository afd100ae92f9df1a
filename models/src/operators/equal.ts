import { comparedInputs } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const equal: Operator = { type: "Equal", infer: comparedInputs, backward: () => [] };
