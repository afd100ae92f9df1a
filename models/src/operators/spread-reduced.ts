import type { GraphBuilder } from "../graph/builder.js";
import { type Node, staticShape, type Value } from "../graph/graph.js";
import { reduction } from "./axes.js";
import { requiredInput } from "./operator.js";

/** The output of a Reduce* node, or its gradient, with the reduced axes back as extents 1. */
export function keepReducedAxes(g: GraphBuilder, node: Node, value: Value): Value {
	const { axes, keepDims } = reduction(g.context(node));
	return keepDims || axes.length === 0 ? value : g.add("Unsqueeze", [value, g.ints(axes)]);
}

/** `value`, shaped like the input of a Reduce* node but with extents 1 along the reduced axes, spread over them. */
export function spreadReduced(g: GraphBuilder, node: Node, value: Value): Value {
	const x = requiredInput(node, 0);
	const { axes } = reduction(g.context(node));
	if (axes.length === 0) return value;
	// Extents that are not reduced may stay 1 here: Expand broadcasts both ways.
	const target = staticShape(x.shape.map((d, i) => (axes.includes(i) ? d : 1)));
	return g.add("Expand", [value, target === undefined ? g.add("Shape", [x]) : g.ints(target)]);
}
