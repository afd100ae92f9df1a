import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Node, Value } from "../graph/graph.js";
import { reduction } from "./axes.js";
import { castTo } from "./constants.js";
import { requiredInput } from "./operator.js";
import { keepReducedAxes } from "./spread-reduced.js";

/** Backward of ReduceMax and ReduceMin: elements that tie get equal shares, as PyTorch's amax and amin. */
export function reduceExtremumBackward(
	g: GraphBuilder,
	node: Node,
	[gradient]: readonly (Value | undefined)[],
): readonly (Value | undefined)[] {
	if (gradient === undefined) return [];
	const x = requiredInput(node, 0);
	const { axes } = reduction(g.context(node));
	if (axes.length === 0) return [gradient];
	const extremum = keepReducedAxes(g, node, node.outputs[0] as Value);
	const mask = castTo(g, g.add("Equal", [x, extremum]), x.dtype);
	const ties = g.add("ReduceSum", [mask, g.ints(axes)], { keepdims: int(1) });
	return [g.add("Mul", [mask, g.add("Div", [keepReducedAxes(g, node, gradient), ties])])];
}
