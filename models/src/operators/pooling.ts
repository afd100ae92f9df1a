import { intsAttribute } from "../graph/attribute.js";
import type { Node, ValueType } from "../graph/graph.js";
import { type InferenceContext, requiredInput, shapeMismatch } from "./operator.js";
import { spatialExtents, type Window, windowOver } from "./window.js";

/** Shape rule of the pooling operators: [B,C,...] to [B,C,...places]. @throws ShapeError when the kernel does not fit. */
export function inferPooling(context: InferenceContext): readonly ValueType[] {
	const x = requiredInput(context, 0);
	const image = spatialExtents(context, x.shape);
	const kernel = intsAttribute(context.attributes, "kernel_shape");
	if (kernel === undefined || kernel.length !== image.length) {
		throw shapeMismatch(context, "a kernel_shape with one extent for each spatial axis");
	}
	const { places } = windowOver(context, image, kernel);
	return [{ dtype: x.dtype, shape: [...x.shape.slice(0, 2), ...places] }];
}

/** The window of a pooling node that `inferPooling` accepted. */
export function poolingWindow(node: Node): Window {
	const image = requiredInput(node, 0).shape.slice(2) as readonly number[];
	return windowOver(node, image, intsAttribute(node.attributes, "kernel_shape") as readonly number[]);
}
