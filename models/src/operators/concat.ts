import { int } from "../graph/attribute.js";
import type { Dim } from "../graph/graph.js";
import { axisAttribute } from "./axes.js";
import { sameDtype } from "./elementwise.js";
import { noGradient, type Operator, requiredInput, shapeMismatch } from "./operator.js";

export const concat: Operator = {
	type: "Concat",
	infer(node) {
		const values = node.inputs.map((_, i) => requiredInput(node, i));
		const { dtype, shape } = sameDtype(node, values);
		const axis = axisAttribute(node, 0);
		const extents = values.map((v) => v.shape[axis] as Dim);
		for (const other of values) {
			if (other.shape.length !== shape.length || other.shape.some((d, i) => i !== axis && !fits(d, shape[i]))) {
				throw shapeMismatch(node, `shapes that differ along axis ${axis} only`);
			}
		}
		const total = extents.every((d) => typeof d === "number")
			? extents.reduce((sum, d) => sum + d, 0)
			: extents.join("+");
		return [{ dtype, shape: shape.map((d, i) => (i === axis ? total : d)) }];
	},
	backward(g, node, [gradient], needed) {
		if (gradient === undefined) return [];
		const axis = axisAttribute(g.context(node), 0);
		const sizes: number[] = [];
		for (let i = 0; i < node.inputs.length; i++) {
			const extent = requiredInput(node, i).shape[axis];
			if (typeof extent !== "number") throw noGradient(node, i);
			sizes.push(extent);
		}
		const wanted = needed.indexOf(true);
		if (wanted === needed.lastIndexOf(true)) {
			const start = sizes.slice(0, wanted).reduce((sum, d) => sum + d, 0);
			const end = start + (sizes[wanted] as number);
			const part = g.add("Slice", [gradient, g.ints([start]), g.ints([end]), g.ints([axis])]);
			return needed.map((n) => (n ? part : undefined));
		}
		return g.addMany("Split", [gradient, g.ints(sizes)], sizes.length, { axis: int(axis) });
	},
};

/** A named extent may turn out to be any number. */
function fits(a: Dim | undefined, b: Dim | undefined): boolean {
	return a === b || typeof a === "string" || typeof b === "string";
}
