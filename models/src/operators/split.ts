import { int, numberAttribute } from "../graph/attribute.js";
import type { Value, ValueType } from "../graph/graph.js";
import { axisAttribute } from "./axes.js";
import { zerosLike } from "./constants.js";
import { constantInts, type InferenceContext, type Operator, requiredInput, shapeMismatch } from "./operator.js";

/** Split with its sizes as constant input 1, or into `num_outputs` parts. */
export const split: Operator = {
	type: "Split",
	limits: "constant sizes; a known extent",
	infer(node): readonly ValueType[] {
		const { dtype, shape } = requiredInput(node, 0);
		const axis = axisAttribute(node, 0);
		return sizes(node, axis).map((size) => ({ dtype, shape: shape.map((d, i) => (i === axis ? size : d)) }));
	},
	backward(g, node, gradients) {
		const parts = gradients.map((part, i) => part ?? zerosLike(g, node.outputs[i] as Value));
		return [g.add("Concat", parts, { axis: int(axisAttribute(g.context(node), 0)) })];
	},
};

function sizes(node: InferenceContext, axis: number): readonly number[] {
	const extent = requiredInput(node, 0).shape[axis];
	if (typeof extent !== "number") throw shapeMismatch(node, `a known extent along axis ${axis}`);
	if (node.inputs[1] !== undefined) {
		const given = constantInts(node, 1);
		if (given.length !== node.outputCount || given.reduce((sum, n) => sum + n, 0) !== extent) {
			throw shapeMismatch(node, `${node.outputCount} parts that add up to the extent, not [${given.join(",")}]`);
		}
		return given;
	}
	const count = numberAttribute(node.attributes, "num_outputs", node.outputCount);
	const size = Math.ceil(extent / count);
	return Array.from({ length: count }, (_, i) => Math.min(size, extent - i * size));
}
