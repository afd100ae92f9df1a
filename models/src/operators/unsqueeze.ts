import type { Dim } from "../graph/graph.js";
import { axesInput } from "./axes.js";
import { constantInts, type InferenceContext, type Operator, requiredInput } from "./operator.js";

/** Unsqueeze with its axes, counted in the output, as constant input 1. */
export const unsqueeze: Operator = {
	type: "Unsqueeze",
	limits: "constant axes",
	infer(node) {
		const { dtype, shape } = requiredInput(node, 0);
		const result: Dim[] = [...shape];
		for (const axis of addedAxes(node)) result.splice(axis, 0, 1);
		return [{ dtype, shape: result }];
	},
	backward(g, node, [gradient]) {
		return [gradient && g.add("Squeeze", [gradient, g.ints(addedAxes(g.context(node)))])];
	},
};

function addedAxes(node: InferenceContext): readonly number[] {
	const rank = requiredInput(node, 0).shape.length + constantInts(node, 1).length;
	return axesInput(node, 1, rank) ?? [];
}
