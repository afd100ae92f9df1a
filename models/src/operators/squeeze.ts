import { axesInput } from "./axes.js";
import { type InferenceContext, type Operator, requiredInput, shapeMismatch } from "./operator.js";

/** Squeeze with its axes as constant input 1; all axes of extent 1 without it. */
export const squeeze: Operator = {
	type: "Squeeze",
	limits: "constant axes",
	infer(node) {
		const { dtype, shape } = requiredInput(node, 0);
		const axes = squeezedAxes(node);
		if (axes.some((axis) => typeof shape[axis] === "number" && shape[axis] !== 1)) {
			throw shapeMismatch(node, `extent 1 along axes ${axes.join(",")}`);
		}
		return [{ dtype, shape: shape.filter((_, i) => !axes.includes(i)) }];
	},
	backward(g, node, [gradient]) {
		return [gradient && g.add("Unsqueeze", [gradient, g.ints(squeezedAxes(g.context(node)))])];
	},
};

function squeezedAxes(node: InferenceContext): readonly number[] {
	const { shape } = requiredInput(node, 0);
	return axesInput(node, 1, shape.length) ?? [...shape.keys()].filter((i) => shape[i] === 1);
}
