import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";

/** Mean over all elements of the squared difference of two values of one shape: []. */
export function meanSquaredError(g: GraphBuilder, a: Value, b: Value): Value {
	const difference = g.add("Sub", [a, b]);
	const axes = g.ints([...difference.shape.keys()]);
	return g.add("ReduceMean", [g.add("Mul", [difference, difference]), axes], { keepdims: int(0) });
}
