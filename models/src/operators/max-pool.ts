import { ArtifactError } from "@psgl/sdk";
import { numberAttribute } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Node, Value } from "../graph/graph.js";
import { type Operator, requiredInput } from "./operator.js";
import { inferPooling, poolingWindow } from "./pooling.js";
import { spreadWindows } from "./spread-windows.js";
import { pixelsUnderKernel, type Window } from "./window.js";

/** Smaller than any pixel: what lies outside the image never is the largest. */
const outside = -3.4028234663852886e38;

/** Largest pixel under the window: [B,C,...] to [B,C,...places] (ONNX MaxPool without its index output). */
export const maxPool: Operator = {
	type: "MaxPool",
	infer(node) {
		if (node.outputCount > 1 || numberAttribute(node.attributes, "storage_order", 0) !== 0) {
			throw new ArtifactError("PSGL_POOL_INDICES", {
				what: `node ${node.name} (MaxPool) asks for the indices of the largest pixels`,
				expected: "one output",
				remedy: "Export the model without return_indices",
			});
		}
		return inferPooling(node);
	},
	backward(g, node, [gradient]) {
		const window = poolingWindow(node);
		const pixels = pixelsUnderKernel(g, requiredInput(node, 0), window, outside);
		const parts = shareToFirst(g, pixels, largestPixels(g, node, window), gradient as Value);
		return [spreadWindows(g, parts, window)];
	},
};

/**
 * The node's output. With `ceil_mode` through a Slice that keeps all of it: ONNX's static shape inference counts windows
 * that start beyond the image, which ONNX Runtime drops, and loading fails where such a shape meets the true one.
 */
function largestPixels(g: GraphBuilder, node: Node, window: Window): Value {
	const y = node.outputs[0] as Value;
	if (numberAttribute(node.attributes, "ceil_mode", 0) !== 1) return y;
	const axes = window.places.map((_, i) => i + 2);
	return g.add("Slice", [y, g.ints(axes.map(() => 0)), g.ints(window.places), g.ints(axes)]);
}

/**
 * Gives the gradient of each place to the first offset, row-major, that holds the largest pixel, as
 * PyTorch does. What an offset took is no longer there for those after it, so the last needs no comparison.
 */
function shareToFirst(g: GraphBuilder, pixels: readonly Value[], largest: Value, gradient: Value): readonly Value[] {
	const zero = g.scalar(0);
	let rest = gradient;
	return pixels.map((value, i) => {
		if (i === pixels.length - 1) return rest;
		const taken = g.add("Equal", [value, largest]);
		const part = g.add("Where", [taken, rest, zero]);
		rest = g.add("Where", [taken, zero, rest]);
		return part;
	});
}
