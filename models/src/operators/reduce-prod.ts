import { int } from "../graph/attribute.js";
import { likeReduced, reduction } from "./axes.js";
import { castTo, numberLike } from "./constants.js";
import { type Operator, requiredInput } from "./operator.js";
import { keepReducedAxes } from "./spread-reduced.js";

/**
 * Product, with the axes as constant input 1. The slope of an element is the product of the others, exact with zeros
 * among them too; the second derivatives hold where no element is 0.
 */
export const reduceProd: Operator = {
	type: "ReduceProd",
	limits: "constant axes",
	infer: likeReduced,
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const x = requiredInput(node, 0);
		const { axes } = reduction(g.context(node));
		if (axes.length === 0) return [gradient];
		const [zero, one] = [numberLike(g, x, 0), numberLike(g, x, 1)];
		const isZero = g.add("Equal", [x, zero]);
		const over = [g.ints(axes), { keepdims: int(1) }] as const;
		const filled = g.add("Where", [isZero, one, x]);
		const zeros = g.add("ReduceSum", [castTo(g, isZero, x.dtype), over[0]], over[1]);
		// Of the elements that are not 0. Times the gradient where this element's zero is the only one, or there is none.
		const product = g.add("ReduceProd", [filled, over[0]], over[1]);
		const others = g.add("Sub", [zeros, castTo(g, isZero, x.dtype)]);
		const slope = g.add("Where", [g.add("Equal", [others, zero]), g.add("Div", [product, filled]), zero]);
		return [g.add("Mul", [keepReducedAxes(g, node, gradient), slope])];
	},
};
