import type { LossSettings } from "./manifest.js";

/** Whether several labels may apply to a sample, each with a probability of its own. */
export function isMultiLabel(loss: LossSettings): boolean {
	return loss.kind === "binary-cross-entropy";
}
