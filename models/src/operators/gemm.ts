import { float, int, numberAttribute } from "../graph/attribute.js";
import { broadcastShapes, sumToShape } from "./broadcast.js";
import { numberLike } from "./constants.js";
import { type Operator, requiredInput, shapeMismatch } from "./operator.js";

/** alpha A' B' + beta C, where ' is an optional transposition. */
export const gemm: Operator = {
	type: "Gemm",
	infer(node) {
		const a = requiredInput(node, 0);
		const b = requiredInput(node, 1);
		const [m, k] = numberAttribute(node.attributes, "transA", 0) ? [a.shape[1], a.shape[0]] : a.shape;
		const [inner, n] = numberAttribute(node.attributes, "transB", 0) ? [b.shape[1], b.shape[0]] : b.shape;
		if (a.shape.length !== 2 || b.shape.length !== 2 || k !== inner || m === undefined || n === undefined) {
			throw shapeMismatch(node, "two matrices whose inner extents agree");
		}
		const bias = node.inputs[2];
		if (bias !== undefined) broadcastShapes(node, [[m, n], bias.shape]);
		return [{ dtype: a.dtype, shape: [m, n] }];
	},
	backward(g, node, [gradient], needed) {
		if (gradient === undefined) return [];
		const a = requiredInput(node, 0);
		const b = requiredInput(node, 1);
		const bias = node.inputs[2];
		const transA = numberAttribute(node.attributes, "transA", 0);
		const transB = numberAttribute(node.attributes, "transB", 0);
		const beta = numberAttribute(node.attributes, "beta", 1);
		const alpha = float(numberAttribute(node.attributes, "alpha", 1));
		const toA = () =>
			transA
				? g.add("Gemm", [b, gradient], { alpha, transA: int(transB), transB: int(1) })
				: g.add("Gemm", [gradient, b], { alpha, transB: int(1 - transB) });
		const toB = () =>
			transB
				? g.add("Gemm", [gradient, a], { alpha, transA: int(1), transB: int(transA) })
				: g.add("Gemm", [a, gradient], { alpha, transA: int(1 - transA) });
		let toBias = bias && needed[2] ? sumToShape(g, gradient, bias) : undefined;
		if (toBias !== undefined && beta !== 1) toBias = g.add("Mul", [toBias, numberLike(g, gradient, beta)]);
		return [needed[0] ? toA() : undefined, needed[1] ? toB() : undefined, toBias];
	},
};
