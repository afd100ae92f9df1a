import { tensor } from "@psgl/sdk";
import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";

export interface RandomNumbersOptions {
	/** int64 []: another number, other draws. The step of the training, for instance. */
	readonly seed: Value;
	/** Tells apart what draws in one graph, so that no two draw the same. */
	readonly name: string;
}

/** Numbers of 32 bits, held in int64 so that their products with less than 31 bits do not overflow. */
const all = 0xffffffff;

/**
 * Numbers of 32 bits, int64 [B,columns] with B the first extent of `x`: a function of the seed, the name and the
 * position, by a counter-based hash of integer operators (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011). A graph given the same inputs draws the same, in every graph and on every machine; ONNX's own random
 * operators draw from a state that no input sets back.
 */
export function randomNumbers(g: GraphBuilder, x: Value, columns: number, options: RandomNumbersOptions): Value {
	const key = mix(g, xor(g, and(g, options.seed, all), integer(g, hashed(options.name))));
	const batch = g.add("Shape", [x], { start: int(0), end: int(1) });
	const rows = mix(g, and(g, g.add("Add", [positions(g, batch), key]), all));
	// An odd factor: each column has a number of its own.
	const spread = and(g, g.add("Mul", [positions(g, g.ints([columns])), integer(g, 0x1e3779b1)]), all);
	// What the last step of the mixing would change are low bits, which hardly matter.
	return mixHigh(g, xor(g, g.add("Unsqueeze", [rows, g.ints([1])]), spread));
}

/** 1, 2, ... up to the length in `shape`, an int64 [1]. */
function positions(g: GraphBuilder, shape: Value): Value {
	const axis = integer(g, 0);
	return g.add("CumSum", [g.add("Expand", [g.ints([1]), shape]), axis]);
}

/**
 * A bijection of 32-bit numbers in which every bit of the input moves every high bit of the output: rounds of
 * multiplication and shift, as the finalisers of hash functions are built. The factors are odd and below 2^31.
 */
function mixHigh(g: GraphBuilder, value: Value): Value {
	const times = (v: Value, factor: number) => and(g, g.add("Mul", [v, integer(g, factor)]), all);
	return times(folded(g, times(folded(g, value, 16), 0x7feb352d), 15), 0x468ca68b);
}

/** The same, moving the low bits too. */
const mix = (g: GraphBuilder, value: Value) => folded(g, mixHigh(g, value), 16);

/** The number and its own high bits, shifted down, combined. */
const folded = (g: GraphBuilder, value: Value, bits: number) =>
	xor(g, value, g.add("Div", [value, integer(g, 2 ** bits)]));

const integer = (g: GraphBuilder, value: number) => g.constant(tensor("int64", [], BigInt64Array.of(BigInt(value))));
const xor = (g: GraphBuilder, a: Value, b: Value) => g.add("BitwiseXor", [a, b]);
const and = (g: GraphBuilder, a: Value, mask: number) => g.add("BitwiseAnd", [a, integer(g, mask)]);

/** A name as a 32-bit number (Fowler, Noll and Vo's hash FNV-1a). */
function hashed(name: string): number {
	let hash = 0x811c9dc5;
	for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
	return hash >>> 0;
}
