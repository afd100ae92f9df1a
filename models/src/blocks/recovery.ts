import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import type { RecoveryGradient } from "./recovery-gradient.js";
import type { Thresholded } from "./singular-value-thresholding.js";
import { straightThrough } from "./straight-through.js";

/** Recovered smashed data, and what `differentiate` has to be given as `constants` for the chosen gradient. */
export interface Recovery {
	/** Same shape as the smashed data. */
	readonly recovered: Value;
	/** Hand them on: without them `differentiate` goes through the iterations whatever gradient was chosen. */
	readonly constants: readonly Value[];
}

/**
 * Recovers smashed data [B,C,...] by something that works on one matrix [C, places] a sample. The batch is never
 * flattened into one matrix: that would make a patient's result depend on the others in the batch.
 */
export function recoverMatrices(
	g: GraphBuilder,
	smashed: Value,
	gradient: RecoveryGradient,
	recover: (matrices: Value) => Thresholded,
): Recovery {
	const [, channels, ...places] = smashed.shape as readonly number[];
	const count = places.reduce((product, extent) => product * extent, 1);
	const matrices = g.add("Reshape", [smashed, g.ints([0, channels as number, count])]);
	const { value, constants } = recover(matrices);
	const recovered = g.add("Reshape", [value, g.ints([0, channels as number, ...places])]);
	if (gradient === "exact") return { recovered, constants };
	return { recovered: straightThrough(g, recovered, smashed), constants: [] };
}
