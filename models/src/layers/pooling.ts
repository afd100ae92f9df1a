import { int, ints } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";

/** Largest value of each window of 2 along every spatial axis; an odd last row or column is dropped. */
export function maxPool(g: GraphBuilder, x: Value): Value {
	const window = ints(new Array(x.shape.length - 2).fill(2));
	return g.add("MaxPool", [x], { kernel_shape: window, strides: window });
}

/** Mean over the spatial axes: [B,C,...] -> [B,C]. */
export function globalAverage(g: GraphBuilder, x: Value): Value {
	return flatten(g, g.add("GlobalAveragePool", [x]));
}

/** [B,...] -> [B,N]. */
export function flatten(g: GraphBuilder, x: Value): Value {
	return g.add("Flatten", [x], { axis: int(1) });
}
