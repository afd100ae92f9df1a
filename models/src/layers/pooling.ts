import { type Attributes, int, ints } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";

/** Largest value of each window of 2 along every spatial axis; an odd last row or column is dropped. */
export function maxPool(g: GraphBuilder, x: Value): Value {
	return maxPoolRectified(g, x, halving(x));
}

/** Attributes of a MaxPool whose windows are 2 along every spatial axis of x. */
export function halving(x: Value): Attributes {
	const window = ints(new Array(x.shape.length - 2).fill(2));
	return { kernel_shape: window, strides: window };
}

/**
 * MaxPool of x with one output. Where x is a Relu's, what that rectifies is pooled first and rectified after: the same values
 * and the same gradients, with the Relu and its backward over the places instead of all pixels.
 */
export function maxPoolRectified(g: GraphBuilder, x: Value, attributes: Attributes): Value {
	const relu = g.producer(x);
	if (relu?.type !== "Relu") return g.add("MaxPool", [x], attributes);
	return g.add("Relu", [g.add("MaxPool", [relu.inputs[0]], attributes)]);
}

/** Mean over the spatial axes: [B,C,...] -> [B,C]. */
export function globalAverage(g: GraphBuilder, x: Value): Value {
	return flatten(g, g.add("GlobalAveragePool", [x]));
}

/** [B,...] -> [B,N]. */
export function flatten(g: GraphBuilder, x: Value): Value {
	return g.add("Flatten", [x], { axis: int(1) });
}
