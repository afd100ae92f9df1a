import { ints, string } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Node, Shape, Value } from "../graph/graph.js";
import { type Operator, requiredInput } from "./operator.js";
import { reshapeTo } from "./reshape.js";
import { type ResizedAxis, resizedAxes, resizeWeights } from "./resize-axes.js";

/** Resizes the spatial axes of [B,C,...] by constant scales or to constant sizes, by the nearest pixel or linearly. */
export const resize: Operator = {
	type: "Resize",
	limits:
		"modes nearest and linear; constant scales or sizes of spatial axes; no antialias, exclude_outside, keep_aspect_ratio_policy or tf_crop_and_resize",
	infer(node) {
		const x = requiredInput(node, 0);
		const shape = [...x.shape];
		for (const { axis, to } of resizedAxes(node)) shape[axis] = to;
		return [{ dtype: x.dtype, shape }];
	},
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const axes = resizedAxes(g.context(node));
		const factors = repetitions(node, axes);
		if (factors !== undefined) return [sumTiles(g, gradient, factors)];
		return [axes.reduce((sum, axis) => giveBack(g, node, sum, axis), gradient)];
	},
};

/** Repeats each pixel of [B,C,...] `factors` times along the spatial axes. */
export function enlarge(g: GraphBuilder, value: Value, factors: readonly number[]): Value {
	return g.add("Resize", [value, undefined, g.floats([1, 1, ...factors])], {
		mode: string("nearest"),
		coordinate_transformation_mode: string("asymmetric"),
		nearest_mode: string("floor"),
	});
}

/** How many times each pixel is repeated along the spatial axes; undefined unless that is all the node does. */
function repetitions(node: Node, axes: readonly ResizedAxis[]): readonly number[] | undefined {
	const factors = requiredInput(node, 0)
		.shape.slice(2)
		.map(() => 1);
	for (const axis of axes) {
		const factor = axis.to / axis.from;
		const repeats = resizeWeights(axis, node.attributes).every(
			(pixels, i) => pixels.length === 1 && pixels[0]?.from === Math.floor(i / factor),
		);
		if (!Number.isInteger(factor) || !repeats) return undefined;
		factors[axis.axis - 2] = factor;
	}
	return factors;
}

function sumTiles(g: GraphBuilder, gradient: Value, factors: readonly number[]): Value {
	const window = ints(factors);
	const mean = g.add("AveragePool", [gradient], { kernel_shape: window, strides: window });
	return g.add("Mul", [mean, g.scalar(factors.reduce((a, b) => a * b, 1))]);
}

/** The adjoint of the resizing along one axis: a product with the transposed matrix of its weights. */
function giveBack(g: GraphBuilder, node: Node, gradient: Value, axis: ResizedAxis): Value {
	const { axis: index, from, to } = axis;
	const isLast = index === gradient.shape.length - 1;
	// [to,from] on the right of the product, [from,to] on its left.
	const matrix = new Float32Array(to * from);
	resizeWeights(axis, node.attributes).forEach((pixels, i) => {
		for (const { from: pixel, weight } of pixels) matrix[isLast ? i * from + pixel : pixel * to + i] = weight;
	});
	if (isLast) return g.add("MatMul", [gradient, g.floats(matrix, [to, from])]);
	const behind = gradient.shape.slice(index + 1) as readonly number[];
	const columns = behind.reduce((a, b) => a * b, 1);
	const rows = g.add("Reshape", [gradient, g.ints([0, -1, to, columns])]);
	const shape: Shape = gradient.shape.map((d, i) => (i === index ? from : d));
	return reshapeTo(g, g.add("MatMul", [g.floats(matrix, [from, to]), rows]), { shape });
}
