import { broadcastInputs } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const bitwiseAnd: Operator = { type: "BitwiseAnd", since: 18, infer: broadcastInputs, backward: () => [] };
