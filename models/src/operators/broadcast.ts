import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Dim, Shape, Value } from "../graph/graph.js";
import { type InferenceContext, shapeMismatch } from "./operator.js";

/** Numpy broadcasting of several shapes, as ONNX defines it (Broadcasting in ONNX). */
export function broadcastShapes(context: InferenceContext, shapes: readonly Shape[]): Shape {
	const rank = Math.max(...shapes.map((s) => s.length));
	const result: Dim[] = [];
	for (let i = 0; i < rank; i++) {
		let extent: Dim = 1;
		for (const shape of shapes) {
			const d = shape[shape.length - rank + i] ?? 1;
			if (d === 1 || d === extent) continue;
			// A named extent against a number: the number is the one that can be checked.
			if (extent === 1 || (typeof extent === "string" && typeof d === "number")) extent = d;
			else if (typeof d === "number") throw shapeMismatch(context, "shapes that broadcast");
		}
		result.push(extent);
	}
	return result;
}

/** Sums `gradient` over the axes along which `target` was broadcast, so that it has the shape of `target`. */
export function sumToShape(g: GraphBuilder, gradient: Value, target: Value): Value {
	const extra = gradient.shape.length - target.shape.length;
	const axes: number[] = [];
	gradient.shape.forEach((d, i) => {
		if (i < extra || (target.shape[i - extra] === 1 && d !== 1)) axes.push(i);
	});
	if (axes.length === 0) return gradient;
	const sum = (value: Value, over: readonly number[]) =>
		g.add("ReduceSum", [value, g.ints(over)], { keepdims: int(1) });
	// ONNX Runtime adds what lies in front of a kept axis row by row: a sum of sums loses less to rounding than one of thousands.
	const inRows = axes.length > 1 && !axes.includes(gradient.shape.length - 1);
	const summed = inRows ? sum(sum(gradient, axes.slice(-1)), axes.slice(0, -1)) : sum(gradient, axes);
	if (extra === 0) return summed;
	return g.add("Squeeze", [summed, g.ints(Array.from({ length: extra }, (_, i) => i))]);
}
