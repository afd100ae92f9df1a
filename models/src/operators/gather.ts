import { tensor } from "@psgl/sdk";
import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Node, Value } from "../graph/graph.js";
import { axisAttribute } from "./axes.js";
import { castTo } from "./constants.js";
import { noGradient, type Operator, requiredInput } from "./operator.js";
import { padAxes } from "./pad-axes.js";
import { reshapeTo } from "./reshape.js";
import { multiplyDims } from "./symbolic.js";

export const gather: Operator = {
	type: "Gather",
	infer(node) {
		const { dtype, shape } = requiredInput(node, 0);
		const axis = axisAttribute(node, 0);
		return [{ dtype, shape: [...shape.slice(0, axis), ...requiredInput(node, 1).shape, ...shape.slice(axis + 1)] }];
	},
	backward(g, node, [gradient]) {
		return [gradient && scatter(g, node, gradient)];
	},
};

/** Adds each slice of the gradient to the place it was gathered from. */
function scatter(g: GraphBuilder, node: Node, gradient: Value): Value {
	const data = requiredInput(node, 0);
	const indices = requiredInput(node, 1);
	const axis = axisAttribute(g.context(node), 0);
	const extent = data.shape[axis];
	if (typeof extent !== "number") throw noGradient(node, 0);
	const only = g.constantOf(indices);
	if (only !== undefined && only.data.length === 1) {
		// One slice from a known place: zeros around it, no product needed.
		const at = Number(only.data[0]);
		const index = at < 0 ? at + extent : at;
		const slice = only.dims.length === 0 ? g.add("Unsqueeze", [gradient, g.ints([axis])]) : gradient;
		return padAxes(g, slice, [{ axis, before: index, after: extent - 1 - index }]);
	}
	// As a product with one-hot rows, which can be differentiated again. [extent, count]
	const onOff = g.constant(tensor("float32", [2], Float32Array.of(0, 1)));
	const places = g.add("OneHot", [g.add("Reshape", [indices, g.ints([-1])]), g.ints([extent]), onOff], {
		axis: int(0),
	});
	const before = data.shape.slice(0, axis);
	const after = data.shape.slice(axis + 1);
	const slices = reshapeTo(g, gradient, {
		shape: [multiplyDims(before), multiplyDims(indices.shape), multiplyDims(after)],
	});
	return reshapeTo(g, g.add("MatMul", [castTo(g, places, gradient.dtype), slices]), data);
}
