import { ints } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";

/** Side of the window in pixels; a picture must be at least as large. */
export const similarityWindow = 7;

/** Constants against division by nothing, (0.01 L)^2 and (0.03 L)^2 for a range L of 1. */
const luminanceConstant = 1e-4;
const contrastConstant = 9e-4;

/**
 * Structural similarity of pictures in [0,1], a and b [B,C,H,W] -> [B] (Wang et al., IEEE TIP 13(4), 2004, Eq. 13), by
 * scikit-image's definition: uniform windows of 7 pixels, sample covariance, no windows beyond the border, the mean over
 * windows and channels. Made of operators with derivatives, so it can be a loss too.
 */
export function structuralSimilarity(g: GraphBuilder, a: Value, b: Value): Value {
	const side = [similarityWindow, similarityWindow];
	const local = (x: Value) => g.add("AveragePool", [x], { kernel_shape: ints(side), strides: ints([1, 1]) });
	const times = (x: Value, y: Value) => g.add("Mul", [x, y]);
	const plus = (x: Value, y: Value) => g.add("Add", [x, y]);
	const pixels = similarityWindow ** 2;
	const unbiased = g.scalar(pixels / (pixels - 1));
	const meanA = local(a);
	const meanB = local(b);
	const spread = (x: Value, y: Value, meanX: Value, meanY: Value) =>
		times(unbiased, g.add("Sub", [local(times(x, y)), times(meanX, meanY)]));
	const luminance = g.scalar(luminanceConstant);
	const contrast = g.scalar(contrastConstant);
	const two = g.scalar(2);
	const above = times(
		plus(times(two, times(meanA, meanB)), luminance),
		plus(times(two, spread(a, b, meanA, meanB)), contrast),
	);
	const below = times(
		plus(plus(times(meanA, meanA), times(meanB, meanB)), luminance),
		plus(plus(spread(a, a, meanA, meanA), spread(b, b, meanB, meanB)), contrast),
	);
	return meanOfEach(g, g.add("Div", [above, below]));
}

/** Mean of each sample: [B,...] -> [B]. */
export function meanOfEach(g: GraphBuilder, x: Value): Value {
	const flat = g.add("Flatten", [x]);
	return g.add("Squeeze", [g.add("ReduceMean", [flat, g.ints([1])]), g.ints([1])]);
}
