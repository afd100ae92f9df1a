import { int, ints } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Dim, Value } from "../graph/graph.js";
import { broadcastShapes, sumToShape } from "./broadcast.js";
import { sameDtype } from "./elementwise.js";
import { type Operator, requiredInput, shapeMismatch } from "./operator.js";

/** Matrix product, batched and broadcast as numpy.matmul. */
export const matMul: Operator = {
	type: "MatMul",
	infer(node) {
		const a = requiredInput(node, 0);
		const b = requiredInput(node, 1);
		const { dtype } = sameDtype(node, [a, b]);
		const left = a.shape.length === 1 ? [1, ...a.shape] : a.shape;
		const right = b.shape.length === 1 ? [...b.shape, 1] : b.shape;
		const inner = left.at(-1);
		if (a.shape.length === 0 || b.shape.length === 0 || inner !== right.at(-2)) {
			throw shapeMismatch(node, "matrices whose inner extents agree");
		}
		const shape: Dim[] = [...broadcastShapes(node, [left.slice(0, -2), right.slice(0, -2)])];
		if (a.shape.length > 1) shape.push(left.at(-2) as Dim);
		if (b.shape.length > 1) shape.push(right.at(-1) as Dim);
		return [{ dtype, shape }];
	},
	backward(g, node, [gradient], needed) {
		if (gradient === undefined) return [];
		const a = requiredInput(node, 0);
		const b = requiredInput(node, 1);
		if (a.shape.length === 2 && b.shape.length === 2) {
			// Gemm multiplies by transposed matrices without writing them out.
			return [
				needed[0] ? g.add("Gemm", [gradient, b], { transB: int(1) }) : undefined,
				needed[1] ? g.add("Gemm", [a, gradient], { transA: int(1) }) : undefined,
			];
		}
		// Vectors become matrices of one row (left) or one column (right).
		const left = a.shape.length === 1 ? g.add("Unsqueeze", [a, g.ints([0])]) : a;
		const right = b.shape.length === 1 ? g.add("Unsqueeze", [b, g.ints([1])]) : b;
		const missing: number[] = [];
		if (b.shape.length === 1) missing.push(-1);
		if (a.shape.length === 1) missing.push(-2);
		const full = missing.length > 0 ? g.add("Unsqueeze", [gradient, g.ints(missing)]) : gradient;
		const toLeft = () => sumToShape(g, g.add("MatMul", [full, transposed(g, right)]), left);
		const toRight = () => sumToShape(g, productOverRows(g, left, full, right), right);
		return [
			needed[0] ? (left === a ? toLeft() : g.add("Squeeze", [toLeft(), g.ints([0])])) : undefined,
			needed[1] ? (right === b ? toRight() : g.add("Squeeze", [toRight(), g.ints([1])])) : undefined,
		];
	},
};

/** left^T gradient; where `right` is one matrix for all batches, in one product over all rows of all batches. */
function productOverRows(g: GraphBuilder, left: Value, gradient: Value, right: Value): Value {
	const [inner, outer] = [left.shape.at(-1), gradient.shape.at(-1)];
	const sameBatches = left.shape.length === gradient.shape.length;
	if (right.shape.length > 2 || !sameBatches || typeof inner !== "number" || typeof outer !== "number") {
		return g.add("MatMul", [transposed(g, left), gradient]);
	}
	const rows = g.add("Reshape", [left, g.ints([-1, inner])]);
	return g.add("Gemm", [rows, g.add("Reshape", [gradient, g.ints([-1, outer])])], { transA: int(1) });
}

function transposed(g: GraphBuilder, value: Value): Value {
	const rank = value.shape.length;
	const perm = [...Array(rank).keys()];
	perm.splice(rank - 2, 2, rank - 1, rank - 2);
	return g.add("Transpose", [value], { perm: ints(perm) });
}
