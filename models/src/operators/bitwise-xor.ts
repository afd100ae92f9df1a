import { broadcastInputs } from "./elementwise.js";
import type { Operator } from "./operator.js";

export const bitwiseXor: Operator = { type: "BitwiseXor", since: 18, infer: broadcastInputs, backward: () => [] };
