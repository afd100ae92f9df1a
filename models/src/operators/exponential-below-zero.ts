import type { GraphBuilder } from "../graph/builder.js";
import type { Node, Value } from "../graph/graph.js";
import { numberLike } from "./constants.js";
import { requiredInput } from "./operator.js";

/**
 * Backward of Elu, Selu and Celu, which are linear above 0 and exponential below, where their slope is linear in their
 * output: `above` for x > 0, else `factor * y + offset`.
 */
export function exponentialBelowZero(
	g: GraphBuilder,
	node: Node,
	gradient: Value | undefined,
	{ above, factor, offset }: { readonly above: number; readonly factor: number; readonly offset: number },
): readonly (Value | undefined)[] {
	if (gradient === undefined) return [];
	const times = (value: Value | undefined, by: number) =>
		by === 1 ? value : g.add("Mul", [value, numberLike(g, gradient, by)]);
	const positive = g.add("Greater", [requiredInput(node, 0), numberLike(g, gradient, 0)]);
	const slope = g.add("Add", [times(node.outputs[0], factor), numberLike(g, gradient, offset)]);
	return [g.add("Where", [positive, times(gradient, above), g.add("Mul", [gradient, slope])])];
}
