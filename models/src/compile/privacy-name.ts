import type { Manifest } from "@psgl/sdk/artifact";
import type { ModelDefinition } from "./model-definition.js";
import { presetDefinition, privacyModes } from "./presets.js";

/** Training samples of a small set and of a large one, between which presets tell apart. */
const sizes = [1, Number.POSITIVE_INFINITY];

/** What a privacy mode fixes: what leaves of a sample, how often, and what is done to it before. */
function settings(definition: ModelDefinition): string {
	const { streams, cutGradient, map, robustBudget, recovery, code, disclosure, augmentation } = definition;
	return JSON.stringify({ streams, cutGradient, map, robustBudget, recovery, code, disclosure, augmentation });
}

/**
 * The privacy mode whose settings a definition has, for its network, input and classes; `custom` when it differs from all in any of them. So
 * that a manifest cannot call a model by the name of a mode it only began from. Where labels stay is no part of a mode.
 */
export function privacyName(definition: ModelDefinition): NonNullable<Manifest["privacy"]> {
	const own = settings(definition);
	const { network, inputShape, classes } = definition;
	const named = privacyModes.find((mode) =>
		sizes.some((samples) => settings(presetDefinition(mode, network, inputShape, classes, samples)) === own),
	);
	return named ?? "custom";
}
