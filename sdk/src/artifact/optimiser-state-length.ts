import type { Manifest } from "./manifest.js";

/**
 * Numbers an optimiser remembers for one part of the network: for each parameter that is not frozen two moments with
 * Adam or a velocity with SGD and momentum, and one more where gradients are accumulated.
 */
export function optimiserStateLength(manifest: Manifest, part: "client" | "head" | "server"): number {
	const { optimiser, accumulationSteps } = manifest;
	const moments = optimiser.kind === "adam" ? 2 : optimiser.momentum === 0 ? 0 : 1;
	const perParameter = moments + (accumulationSteps > 1 ? 1 : 0);
	const counts = manifest[part];
	return perParameter * (counts?.trainedCount ?? counts?.paramCount ?? 0);
}
