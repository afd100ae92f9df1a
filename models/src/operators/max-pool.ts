import { ArtifactError } from "@psgl/sdk";
import { numberAttribute } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { type Operator, requiredInput } from "./operator.js";
import { inferPooling, poolingWindow } from "./pooling.js";
import { spreadWindows } from "./spread-windows.js";
import { pixelsUnderKernel } from "./window.js";

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
		const x = requiredInput(node, 0);
		const window = poolingWindow(node);
		const parts = shareToFirst(
			g,
			pixelsUnderKernel(g, x, window, outside),
			node.outputs[0] as Value,
			gradient as Value,
		);
		return [spreadWindows(g, parts, window)];
	},
};

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
