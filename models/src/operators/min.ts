import { broadcastInputs } from "./elementwise.js";
import { extremumBackward } from "./extremum.js";
import type { Operator } from "./operator.js";

export const min: Operator = { type: "Min", infer: broadcastInputs, backward: extremumBackward };
