import { int } from "../graph/attribute.js";
import type { Value } from "../graph/graph.js";
import { reduction } from "./axes.js";
import { castTo } from "./constants.js";
import { type Operator, requiredInput } from "./operator.js";
import { keepReducedAxes } from "./spread-reduced.js";

/** ReduceMax with its axes as constant input 1. Elements that tie get equal shares, as PyTorch's amax. */
export const reduceMax: Operator = {
	type: "ReduceMax",
	infer: (node) => [{ dtype: requiredInput(node, 0).dtype, shape: reduction(node).shape }],
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const x = requiredInput(node, 0);
		const { axes } = reduction(g.context(node));
		if (axes.length === 0) return [gradient];
		const largest = keepReducedAxes(g, node, node.outputs[0] as Value);
		const mask = castTo(g, g.add("Equal", [x, largest]), x.dtype);
		const ties = g.add("ReduceSum", [mask, g.ints(axes)], { keepdims: int(1) });
		return [g.add("Mul", [mask, g.add("Div", [keepReducedAxes(g, node, gradient), ties])])];
	},
};
