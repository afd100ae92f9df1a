import { broadcastInputs } from "./elementwise.js";
import { extremumBackward } from "./extremum.js";
import type { Operator } from "./operator.js";

export const max: Operator = { type: "Max", infer: broadcastInputs, backward: extremumBackward };
