import { numberAttribute } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Dim, Shape, Value } from "../graph/graph.js";
import { constantInts, type InferenceContext, type Operator, requiredInput, shapeMismatch } from "./operator.js";
import { divideDims, multiplyDims } from "./symbolic.js";

export const reshape: Operator = {
	type: "Reshape",
	limits: "a shape known before the graph runs",
	infer(node) {
		const { dtype, shape } = requiredInput(node, 0);
		return [{ dtype, shape: reshaped(node, shape, node.shape(1) ?? constantInts(node, 1)) }];
	},
	backward(g, node, [gradient]) {
		return [gradient && reshapeTo(g, gradient, requiredInput(node, 0))];
	},
};

/** Resolves 0 (copied from the input) and -1 (what is left). */
function reshaped(node: InferenceContext, from: Shape, target: Shape): Shape {
	const copies = numberAttribute(node.attributes, "allowzero", 0) === 0;
	const shape = target.map((d, i): Dim => {
		if (d !== 0 || !copies) return d;
		const copied = from[i];
		if (copied === undefined) throw shapeMismatch(node, `an input with an axis ${i} to copy to [${target.join(",")}]`);
		return copied;
	});
	const open = shape.indexOf(-1);
	if (open < 0) {
		if (multiplyDims(shape) !== multiplyDims(from)) throw shapeMismatch(node, `as many values as [${shape.join(",")}]`);
		return shape;
	}
	const rest = divideDims(
		from,
		shape.filter((_, i) => i !== open),
	);
	if (rest === undefined) throw shapeMismatch(node, `a number of values that divides into [${shape.join(",")}]`);
	return shape.map((d, i) => (i === open ? rest : d));
}

/** `value` in the shape of `target`, which has as many elements. At most one extent may be named elsewhere than in `value`. */
export function reshapeTo(g: GraphBuilder, value: Value, target: { readonly shape: Shape }): Value {
	const dims = target.shape.map((d, i) => {
		if (typeof d === "number") return d;
		return d === value.shape[i] ? 0 : -1;
	});
	return g.add("Reshape", [value, g.ints(dims)]);
}
