import { ArtifactError, elementCount } from "@psgl/sdk";
import { ints, numberAttribute } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Node, Value } from "../graph/graph.js";
import { castTo } from "./constants.js";
import { type Operator, requiredInput } from "./operator.js";
import { inferPooling, poolingWindow } from "./pooling.js";
import { enlarge } from "./resize.js";
import { spreadWindows } from "./spread-windows.js";
import { cropToTiles, isTiling, padToImage, tiledExtents } from "./tiling.js";
import { kernelOffsets, pixelsUnderKernel, type Window } from "./window.js";

/** Smaller than any pixel: what lies outside the image never is the largest. */
const outside = -3.4028234663852886e38;

/** Largest pixel under the window: [B,C,...] to [B,C,...places] (ONNX MaxPool without its index output). */
export const maxPool: Operator = {
	type: "MaxPool",
	limits: "one output; storage_order 0",
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
		const x = requiredInput(node, 0);
		const dy = gradient as Value;
		const y = largestPixels(g, node, window);
		if (isTiling(window)) return [giveToFirstOfTile(g, x, y, dy, window)];
		const parts = shareToFirst(g, pixelsUnderKernel(g, x, window, outside), y, dy);
		return [spreadWindows(g, parts, window)];
	},
};

/**
 * The backward of windows that do not overlap, at the size of the image, 1.5 to 2.5 times as fast as by offsets: pixels
 * as large as the largest of their tile are marked, the first one highest, and the highest mark takes the gradient.
 */
function giveToFirstOfTile(g: GraphBuilder, x: Value, y: Value, gradient: Value, window: Window): Value {
	const large = g.add("Equal", [cropToTiles(g, x, window), enlarge(g, y, window.kernel)]);
	const marks = g.add("Mul", [castTo(g, large, x.dtype), ranks(g, window)]);
	const highest = g.add("MaxPool", [marks], { kernel_shape: ints(window.kernel), strides: ints(window.strides) });
	const first = g.add("Equal", [marks, enlarge(g, highest, window.kernel)]);
	// Multiplying is twice as fast as Where.
	const given = g.add("Mul", [castTo(g, first, x.dtype), enlarge(g, gradient, window.kernel)]);
	return padToImage(g, given, window);
}

/** For each pixel of the tiles, [...tiledExtents]: n for the first of n in a tile, row-major, down to 1 for the last. */
function ranks(g: GraphBuilder, window: Window): Value {
	const extents = tiledExtents(window);
	const count = elementCount(window.kernel);
	const values = kernelOffsets(extents).map((position) => {
		const index = position.reduce((sum, p, i) => {
			const kernel = window.kernel[i] as number;
			return sum * kernel + (p % kernel);
		}, 0);
		return count - index;
	});
	return g.floats(values, extents);
}

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
