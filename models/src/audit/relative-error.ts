import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";

/** Squared error of what a guess makes, over the mean square of what was seen: []. */
export function relativeError(g: GraphBuilder, made: Value, seen: Value): Value {
	const meanSquare = (v: Value) => g.add("ReduceMean", [g.add("Mul", [v, v])], { keepdims: int(0) });
	const scale = g.add("Add", [meanSquare(seen), g.scalar(1e-6)]);
	return g.add("Div", [meanSquare(g.add("Sub", [made, seen])), scale]);
}
