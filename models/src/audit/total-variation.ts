import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";

/** Mean absolute difference of neighbours of [B,C,...] along each spatial axis, summed over the axes: []. */
export function totalVariation(g: GraphBuilder, x: Value): Value {
	const differences = x.shape.slice(2).map((extent, i) => {
		const part = (from: number, to: number) => g.add("Slice", [x, g.ints([from]), g.ints([to]), g.ints([i + 2])]);
		const difference = g.add("Sub", [part(1, extent as number), part(0, (extent as number) - 1)]);
		return g.add("ReduceMean", [g.add("Abs", [difference])], { keepdims: int(0) });
	});
	return differences.reduce((sum, d) => g.add("Add", [sum, d]));
}
