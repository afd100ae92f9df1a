import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";

/** `value`, whose gradient is going to be that of `source` as it is (Bengio, Léonard and Courville, arXiv 1308.3432, 2013). Both are of one shape. */
export function straightThrough(g: GraphBuilder, value: Value, source: Value): Value {
	g.giveGradientRule(value, { inputs: [source], backward: handOn });
	return value;
}

/** Whether the gradient of `value` goes to `source` as it is, because it is the same or was made so by `straightThrough`. */
export function goesStraightTo(g: GraphBuilder, value: Value, source: Value): boolean {
	const rule = g.gradientRule(value);
	return value.name === source.name || (rule?.backward === handOn && rule.inputs[0]?.name === source.name);
}

const handOn = (gradient: Value) => [gradient];
