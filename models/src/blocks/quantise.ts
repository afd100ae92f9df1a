import { int } from "../graph/attribute.js";
import { GraphBuilder } from "../graph/builder.js";
import type { Graph, Shape, Value } from "../graph/graph.js";
import { castTo } from "../operators/constants.js";

/** What travels instead of float32 values, and what to multiply it by afterwards. */
export interface Quantised {
	/** float16 or int8, of the shape of what was quantised. */
	readonly values: Value;
	/** float32: [] for float16, [C] for int8. */
	readonly scale: Value;
}

/**
 * The largest value after scaling lies in [2^13, 2^14): away from float16's end at 65504 even where the logarithm
 * rounds badly.
 */
const largestExponent = 13;

/** Largest int8 used. -128 is not, so that the range is symmetric. */
const int8Limit = 127;

const tiny = 1e-30;

/**
 * Values as float16 times one power of two for the tensor, so that gradients of 1e-6 keep their 11 significant bits
 * instead of falling among float16's subnormal numbers. Multiplying by a power of two is exact: each value is off by
 * at most 2^-11 of itself, or by 2^-38 of the largest where that is more.
 */
export function quantiseFloat16(g: GraphBuilder, x: Value): Quantised {
	const axes = x.shape.map((_, i) => i);
	const largest = g.add("ReduceMax", [g.add("Abs", [x]), g.ints(axes)], { keepdims: int(0) });
	const logarithm = g.add("Log", [g.add("Max", [largest, g.scalar(tiny)])]);
	const exponent = g.add("Floor", [g.add("Mul", [logarithm, g.scalar(Math.LOG2E)])]);
	const two = g.scalar(2);
	// All zero: any scale does, and one is the plainest.
	const used = g.add("Where", [g.add("Greater", [largest, g.scalar(tiny)]), exponent, g.scalar(largestExponent)]);
	const scale = g.add("Pow", [two, g.add("Sub", [used, g.scalar(largestExponent)])]);
	return { values: castTo(g, g.add("Div", [x, scale]), "float16"), scale };
}

/** Largest int4 used, in the same way. */
const int4Limit = 7;

/**
 * Values [B,C,...] as int8 with a scale for each channel: scale[c] = largest size in channel c / `limit`, values rounded to
 * nearest, ties to even. Each value is off by at most half its channel's scale. With a limit of 7 they fit 4 bits.
 */
export function quantiseInt8(g: GraphBuilder, x: Value, limit = int8Limit): Quantised {
	const axes = x.shape.map((_, i) => i).filter((i) => i !== 1);
	const largest = g.add("ReduceMax", [g.add("Abs", [x]), g.ints(axes)], { keepdims: int(0) });
	const scale = g.add("Div", [largest, g.scalar(limit)]);
	const divisor = perChannel(g, g.add("Max", [scale, g.scalar(tiny)]), x);
	const rounded = g.add("Round", [g.add("Div", [x, divisor])]);
	const values = g.add("Clip", [rounded, g.scalar(-limit), g.scalar(limit)]);
	return { values: castTo(g, values, "int8"), scale };
}

/** float32 values of what `quantiseFloat16` or `quantiseInt8` made. */
export function dequantise(g: GraphBuilder, { values, scale }: Quantised): Value {
	const factor = scale.shape.length === 0 ? scale : perChannel(g, scale, values);
	return g.add("Mul", [castTo(g, values, "float32"), factor]);
}

/** [C] -> [1,C,1,...], to broadcast against `like` [B,C,...]. */
function perChannel(g: GraphBuilder, channels: Value, like: Value): Value {
	const dims = like.shape.map((_, i) => (i === 1 ? -1 : 1));
	return g.add("Reshape", [channels, g.ints(dims)]);
}

/**
 * Graphs that quantise tensors of `shape` [B,C,...] for the wire and back: `wire/encode.float16`, `wire/encode.int8` and
 * `wire/encode.int4` from `values` to `quantised` and `scale`, `wire/decode.*` the other way. int4 is int8 in the graphs.
 */
export function wireGraphs(shape: Shape): readonly Graph[] {
	const encoded = (dtype: "float16" | "int8" | "int4", quantise: (g: GraphBuilder, x: Value) => Quantised) => {
		const g = new GraphBuilder(`wire/encode.${dtype}`);
		const { values, scale } = quantise(g, g.input("values", "float32", shape));
		g.output("quantised", values);
		g.output("scale", scale);
		return g.build();
	};
	const decoded = (dtype: "float16" | "int8" | "int4", scaleShape: Shape) => {
		const g = new GraphBuilder(`wire/decode.${dtype}`);
		const values = g.input("quantised", dtype === "int4" ? "int8" : dtype, shape);
		g.output("values", dequantise(g, { values, scale: g.input("scale", "float32", scaleShape) }));
		return g.build();
	};
	return [
		encoded("float16", quantiseFloat16),
		encoded("int8", quantiseInt8),
		encoded("int4", (g, x) => quantiseInt8(g, x, int4Limit)),
		decoded("float16", []),
		decoded("int8", [shape[1] as number]),
		decoded("int4", [shape[1] as number]),
	];
}
