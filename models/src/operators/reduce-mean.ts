import type { GraphBuilder } from "../graph/builder.js";
import { type Node, staticShape, type Value } from "../graph/graph.js";
import { likeReduced, reduction } from "./axes.js";
import { castTo, numberLike } from "./constants.js";
import { type Operator, requiredInput } from "./operator.js";
import { keepReducedAxes, spreadReduced } from "./spread-reduced.js";

/** ReduceMean with its axes as constant input 1. */
export const reduceMean: Operator = {
	type: "ReduceMean",
	limits: "constant axes",
	infer: likeReduced,
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const share = g.add("Div", [keepReducedAxes(g, node, gradient), reducedCount(g, node, gradient)]);
		return [spreadReduced(g, node, share)];
	},
};

/** How many elements each mean is over; counted at run time where the batch is one of the axes. */
function reducedCount(g: GraphBuilder, node: Node, like: Value): Value {
	const x = requiredInput(node, 0);
	const { axes } = reduction(g.context(node));
	const extents = staticShape(axes.map((axis) => x.shape[axis] ?? 1));
	if (extents !== undefined)
		return numberLike(
			g,
			like,
			extents.reduce((product, d) => product * d, 1),
		);
	const all = g.add("Gather", [g.add("Shape", [x]), g.ints(axes)]);
	return castTo(g, g.add("ReduceProd", [all], { keepdims: { type: "int", value: 0 } }), like.dtype);
}
