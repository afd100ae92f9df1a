import { elementCount } from "@psgl/sdk";
import { float, int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import { staticShape, type Value } from "../graph/graph.js";

/** Axes of [B,C,...] other than the channels. */
export const allButChannels = (x: Value) => x.shape.flatMap((_, i) => (i === 1 ? [] : [i]));

/** With so few places of a channel ONNX Runtime's broadcasting takes longer than the arithmetic. */
const fewPlaces = 16;

/** [C] as [C,1,...], so that it broadcasts along the channels of `like`, or with the few places of these. */
export function perChannel(g: GraphBuilder, vector: Value, like: Value): Value {
	const spatial = like.shape.slice(2);
	if (spatial.length === 0) return vector;
	const column = g.add("Unsqueeze", [vector, g.ints(spatial.map((_, i) => i + 1))]);
	const places = staticShape(spatial);
	if (places === undefined || elementCount(places) > fewPlaces) return column;
	return g.add("Expand", [column, g.ints([like.shape[1] as number, ...places])]);
}

/** `x - mean` of each channel. */
export const centred = (g: GraphBuilder, x: Value, mean: Value) => g.add("Sub", [x, perChannel(g, mean, x)]);

/** Sum over all but the channels, [C]. */
export const sumPerChannel = (g: GraphBuilder, value: Value) =>
	g.add("ReduceSum", [value, g.ints(allButChannels(value))], { keepdims: { type: "int", value: 0 } });

/** `slope * x + offset` per channel in one pass: BatchNormalization with mean 0, variance 1 and epsilon 0. */
export function affine(g: GraphBuilder, x: Value, slope: Value, offset: Value): Value {
	const channels = x.shape[1] as number;
	const zeros = g.floats(new Array<number>(channels).fill(0));
	const ones = g.floats(new Array<number>(channels).fill(1));
	return g.add("BatchNormalization", [x, slope, offset, zeros, ones], { epsilon: float(0) });
}

/** `1 / sqrt(variance + epsilon)`. */
export const inverseDeviation = (g: GraphBuilder, variance: Value, epsilon: number) =>
	g.add("Reciprocal", [g.add("Sqrt", [g.add("Add", [variance, g.scalar(epsilon)])])]);

/** One over the number of elements of a channel of x [B,C,...], []. */
export const shareOfElement = (g: GraphBuilder, x: Value) =>
	g.add("Div", [g.scalar(x.shape[1] as number), g.add("Cast", [g.add("Size", [x])], { to: int(1) })]);
