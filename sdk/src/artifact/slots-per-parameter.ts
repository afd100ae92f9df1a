import type { OptimiserSettings } from "./manifest.js";

/** Length of an optimiser's state over that of the parameters: two moments for Adam, a velocity for SGD with momentum. */
export function slotsPerParameter(optimiser: OptimiserSettings): number {
	if (optimiser.kind === "adam") return 2;
	return optimiser.momentum === 0 ? 0 : 1;
}
