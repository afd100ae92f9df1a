import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { castTo } from "../operators/constants.js";

/** Numbers of a code, rounded to its levels. */
export interface QuantisedCode {
	/** uint8 [B,k]: index of each number's level, from 0 to 2^bits - 1. */
	readonly indices: Value;
	/** float32 [B,k]: the levels themselves, evenly spaced over [-1,1]. */
	readonly levels: Value;
	/** What `differentiate` has to take as constants: the gradient then passes straight through the rounding. */
	readonly constants: readonly Value[];
}

/**
 * Rounds numbers [B,k] in [-1,1] to the nearest of 2^bits levels, with the straight-through gradient (Bengio, Léonard and
 * Courville, "Estimating or propagating gradients through stochastic neurons", 2013): rounding counts as adding a constant.
 */
export function quantiseCode(g: GraphBuilder, numbers: Value, bits: number): QuantisedCode {
	const steps = 2 ** bits - 1;
	const position = g.add("Mul", [g.add("Add", [numbers, g.scalar(1)]), g.scalar(steps / 2)]);
	const index = g.add("Clip", [g.add("Round", [position]), g.scalar(0), g.scalar(steps)]);
	const rounded = codeLevels(g, index, bits);
	const constant = g.add("Identity", [numbers]);
	// Adding nothing, whose gradient is the numbers' own, keeps the levels exact.
	const levels = g.add("Add", [rounded, g.add("Sub", [numbers, constant])]);
	return { indices: castTo(g, index, "uint8"), levels, constants: [constant] };
}

/** The levels [B,k] that level indices of any element type stand for. */
export function codeLevels(g: GraphBuilder, indices: Value, bits: number): Value {
	const real = castTo(g, indices, "float32");
	return g.add("Sub", [g.add("Mul", [real, g.scalar(2 / (2 ** bits - 1))]), g.scalar(1)]);
}
