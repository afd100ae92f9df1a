import { likeFirstInput } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const not: Operator = { type: "Not", infer: likeFirstInput, backward: () => [] };
