import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";

/** A value normalised over some axes, and what it was divided by. */
export interface Normalised {
	/** `(x - mean) * inverse`, shaped like x. */
	readonly value: Value;
	/** One over the standard deviation, with extent 1 along the axes. */
	readonly inverse: Value;
	readonly axes: readonly number[];
}

/**
 * Gradient of x from that of `n = (x - mean(x)) / sqrt(variance(x) + epsilon)`, all means over `axes`:
 * `inverse (dn - mean(dn) - n mean(dn n))` (Ba et al., "Layer Normalization", 2016, section 3).
 */
export function normalisedGradient(g: GraphBuilder, dn: Value, { value, inverse, axes }: Normalised): Value {
	const mean = (of: Value) => g.add("ReduceMean", [of, g.ints(axes)], { keepdims: int(1) });
	const along = g.add("Mul", [value, mean(g.add("Mul", [dn, value]))]);
	return g.add("Mul", [inverse, g.add("Sub", [g.add("Sub", [dn, mean(dn)]), along])]);
}

/** Normalises x over `axes` by its mean and biased variance. */
export function normalise(g: GraphBuilder, x: Value, axes: readonly number[], epsilon: Value): Normalised {
	const mean = (of: Value) => g.add("ReduceMean", [of, g.ints(axes)], { keepdims: int(1) });
	const centred = g.add("Sub", [x, mean(x)]);
	const variance = mean(g.add("Mul", [centred, centred]));
	const inverse = g.add("Reciprocal", [g.add("Sqrt", [g.add("Add", [variance, epsilon])])]);
	return { value: g.add("Mul", [centred, inverse]), inverse, axes };
}
