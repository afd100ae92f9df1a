import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { numberLike } from "./constants.js";

/** Zeros in front of and behind `value` along one axis; negative numbers cut. */
export interface AxisPads {
	readonly axis: number;
	readonly before: number;
	readonly after: number;
}

/**
 * `value` with zeros around it along these axes. The pads name every axis: ONNX Runtime 1.30 fails with Pad's axes input
 * where it moves a Transpose past the Pad ("indices element out of data bounds").
 */
export function padAxes(g: GraphBuilder, value: Value, pads: readonly AxisPads[]): Value {
	const rank = value.shape.length;
	const all = new Array<number>(2 * rank).fill(0);
	for (const { axis, before, after } of pads) {
		all[axis] = before;
		all[rank + axis] = after;
	}
	return g.add("Pad", [value, g.ints(all), numberLike(g, value, 0)]);
}
