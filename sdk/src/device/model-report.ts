import type { HealthMessage } from "../protocol/index.js";

/** What became of a model on a device: the fields of `health` (docs/protocol.md). */
export type ModelReport = Pick<HealthMessage, "artifact" | "state" | "code" | "what">;
