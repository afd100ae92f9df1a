import { ArtifactError } from "@psgl/sdk";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { differentiate, type Seed } from "./differentiate.js";

/**
 * Gradient of the seeds with respect to a network's input.
 * @throws ArtifactError `PSGL_INPUT_GRADIENT` where none flows there: the network rounds it or looks it up, say
 */
export function inputGradient(
	g: GraphBuilder,
	seeds: readonly Seed[],
	input: Value,
	constants: readonly Value[] = [],
): Value {
	const [gradient] = differentiate(g, seeds, [input], constants);
	return gradient ?? withoutInputGradient("the input");
}

/** @throws ArtifactError `PSGL_INPUT_GRADIENT`, always. */
export function withoutInputGradient(input: "the input" | "the smashed data"): never {
	throw new ArtifactError("PSGL_INPUT_GRADIENT", {
		what: `no gradient flows back to ${input}: the network only rounds, compares or looks up what comes from there`,
		got: input,
		remedy:
			input === "the input"
				? "Map and robust training need it: compile with --privacy none"
				: "No client segment could be trained: cut the model behind that step",
	});
}
