import { ShapeError, tensor } from "@psgl/sdk";
import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import { formatShape, staticShape, type Value } from "../graph/graph.js";
import { castTo } from "../operators/constants.js";

export interface DropoutOptions {
	/** Share of the elements set to zero, from 0 up to but not including 1. */
	readonly ratio: number;
	/** int64 []: another number, another mask. The step of the training, for instance. */
	readonly seed: Value;
	/** Tells the dropouts of a network apart, so that no two draw the same mask. */
	readonly name: string;
}

export interface Dropped {
	/** x where kept, times `1 / (1 - ratio)`, else 0. Same shape as x. */
	readonly y: Value;
	/** Which elements are kept: bool, same shape as x. */
	readonly kept: Value;
}

/** Numbers of 32 bits, held in int64 so that their products with less than 31 bits do not overflow. */
const all = 0xffffffff;

/**
 * Dropout (Srivastava et al., 2014) of x [B,...] whose mask is a function of the seed, the name and the position of the
 * element, computed by a counter-based hash of integer operators (Salmon et al., "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011): a graph given the same inputs draws the same mask, in every graph and on every machine. ONNX's own
 * operator draws from a state that no input sets back.
 *
 * @throws ShapeError `PSGL_SHAPE_MISMATCH` when an extent but the first is not known
 */
export function dropout(g: GraphBuilder, x: Value, { ratio, seed, name }: DropoutOptions): Dropped {
	const extents = staticShape(x.shape.slice(1));
	if (extents === undefined || x.shape.length === 0) {
		throw new ShapeError("PSGL_SHAPE_MISMATCH", {
			what: `dropout ${name} cannot take this shape`,
			got: formatShape(x.shape),
			expected: "[B,...] with known extents but the first",
		});
	}
	const key = mix(g, xor(g, and(g, seed, all), integer(g, hashed(name))));
	const rows = mix(
		g,
		and(g, g.add("Add", [positions(g, g.add("Shape", [x], { start: int(0), end: int(1) })), key]), all),
	);
	const columns = positions(g, g.ints([extents.reduce((a, b) => a * b, 1)]));
	// An odd factor: each column has a number of its own.
	const spread = and(g, g.add("Mul", [columns, integer(g, 0x1e3779b1)]), all);
	// What the last step of the mixing would change are low bits, which hardly matter to a comparison.
	const drawn = mixHigh(g, xor(g, g.add("Unsqueeze", [rows, g.ints([1])]), spread));
	const matrix = g.add("GreaterOrEqual", [drawn, integer(g, Math.round(ratio * 2 ** 32))]);
	const kept = g.add("Reshape", [matrix, g.ints([-1, ...extents])]);
	const factors = g.add("Mul", [castTo(g, kept, x.dtype), g.scalar(1 / (1 - ratio))]);
	return { y: g.add("Mul", [x, factors]), kept };
}

/** The mask of a dropout that drops nothing, bool, same shape as x: no number is greater than itself. */
export function allKept(g: GraphBuilder, x: Value): Value {
	return g.add("Not", [g.add("Greater", [x, x])]);
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
