import type { GraphBuilder } from "../graph/builder.js";
import type { Node, Value } from "../graph/graph.js";
import { broadcastShapes, sumToShape } from "./broadcast.js";
import { castTo, numberLike } from "./constants.js";
import { isDiscrete } from "./elementwise.js";
import { type Operator, requiredInput } from "./operator.js";

/** x to the power of an exponent of any numeric type; the result has the type of x. */
export const pow: Operator = {
	type: "Pow",
	infer(node) {
		const { dtype, shape } = requiredInput(node, 0);
		return [{ dtype, shape: broadcastShapes(node, [shape, requiredInput(node, 1).shape]) }];
	},
	backward(g, node, [gradient], needed) {
		if (gradient === undefined) return [];
		const [x, exponent] = [requiredInput(node, 0), requiredInput(node, 1)];
		return [
			needed[0] ? baseGradient(g, x, exponent, gradient) : undefined,
			needed[1] && !isDiscrete(exponent) ? exponentGradient(g, node, gradient) : undefined,
		];
	},
};

/** e x^(e-1), and 0 for an exponent of 0 also where x is 0. */
function baseGradient(g: GraphBuilder, x: Value, given: Value, gradient: Value): Value | undefined {
	const times = (slope: Value) => sumToShape(g, g.add("Mul", [gradient, slope]), x);
	const constant = g.constantOf(given);
	if (constant?.data.length === 1) {
		const exponent = Number(constant.data[0]);
		if (exponent === 0) return undefined;
		if (exponent === 1) return sumToShape(g, gradient, x);
		const scale = numberLike(g, x, exponent);
		// ONNX Runtime's Pow takes many times as long as its Mul.
		if (exponent === 2) return times(g.add("Mul", [x, scale]));
		return times(g.add("Mul", [g.add("Pow", [x, numberLike(g, x, exponent - 1)]), scale]));
	}
	const exponent = castTo(g, given, x.dtype);
	const [zero, one] = [numberLike(g, x, 0), numberLike(g, x, 1)];
	const lower = g.add("Where", [g.add("Equal", [exponent, zero]), zero, g.add("Sub", [exponent, one])]);
	return times(g.add("Mul", [g.add("Pow", [x, lower]), exponent]));
}

/** x^e log(x), and 0 where x is 0, as PyTorch. */
function exponentGradient(g: GraphBuilder, node: Node, gradient: Value): Value {
	const [x, exponent] = [requiredInput(node, 0), requiredInput(node, 1)];
	const [zero, one] = [numberLike(g, x, 0), numberLike(g, x, 1)];
	const logarithm = g.add("Log", [g.add("Where", [g.add("Equal", [x, zero]), one, x])]);
	const slope = castTo(g, g.add("Mul", [node.outputs[0], logarithm]), exponent.dtype);
	return sumToShape(g, g.add("Mul", [castTo(g, gradient, exponent.dtype), slope]), exponent);
}
