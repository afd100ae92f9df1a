import { ConfigError } from "@psgl/sdk";
import { TrainedParameters } from "../layers/trained-parameters.js";
import type { ModelLayout } from "./model-definition.js";

/** Refuses a pattern that freezes nothing: a mistyped name. @throws ConfigError `PSGL_MODEL_FROZEN`. */
export function checkFrozen(patterns: readonly string[], layout: ModelLayout): void {
	const parts = (["client", "head", "server"] as const).map((part) => ({
		part,
		params: part === "head" ? layout.head.params : layout[part].params,
	}));
	for (const pattern of patterns) {
		const freezes = parts.some(
			({ part, params }) => new TrainedParameters(part, params, [pattern]).layout.length < params.length,
		);
		if (freezes) continue;
		throw new ConfigError("PSGL_MODEL_FROZEN", {
			what: "a pattern of frozen parameters matches none",
			got: pattern,
			expected: parts.flatMap(({ part, params }) => params.entries.map((e) => `${part}.${e.name}`)).join(", "),
			remedy: "Use names as listed, with * for any text, for instance client.*",
		});
	}
}
