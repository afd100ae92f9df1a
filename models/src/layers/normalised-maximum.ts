import type { Attributes } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Node, Value } from "../graph/graph.js";
import { maxPool } from "../operators/max-pool.js";
import { affine, inverseDeviation, perChannel, shareOfElement, sumPerChannel } from "../operators/per-channel.js";
import type { NormalisationParameters } from "./batch-normalisation.js";
import { type NormalisedBatch, normaliseByBatch } from "./normalise-by-batch.js";

/**
 * The largest value of each window over x [B,C,...] normalised by the batch, [B,C,...places], as MaxPool of what
 * `normaliseByBatch` returns. Scale and bias come after the maximum, and both passes over them are made over the places alone: with
 * `n = (x - mean) / deviation` and `m` the largest of `sign(scale) n` in a window the result is `|scale| m + bias`, and as
 * the gradient reaches the pixels of the maxima only, its sums over all pixels are sums over the places (Ioffe and Szegedy, ICML 2015,
 * section 3, has those of the pixels).
 *
 * @param windows attributes of MaxPool
 */
export function normalisedMaximum(
	g: GraphBuilder,
	x: Value,
	{ scale, bias, mean, variance }: NormalisationParameters,
	epsilon: number,
	windows: Attributes,
): NormalisedBatch {
	// A scale of 0 counts as positive. Behind a negative one the largest result comes from the smallest value.
	const sign = g.add("Sign", [g.add("Add", [g.add("Sign", [scale]), g.scalar(0.5)])]);
	const zeros = g.floats(new Array<number>(x.shape[1] as number).fill(0));
	const signed = normaliseByBatch(g, x, { scale: sign, bias: zeros, mean, variance }, epsilon);
	const largest = g.add("MaxPool", [signed.y], windows);
	const y = affine(g, largest, g.add("Mul", [scale, sign]), bias);
	g.giveGradientRule(y, {
		inputs: [x, scale, bias],
		backward(dy) {
			const dBias = sumPerChannel(g, dy);
			const products = sumPerChannel(g, g.add("Mul", [dy, largest]));
			const slope = g.add("Mul", [scale, inverseDeviation(g, signed.variance, epsilon)]);
			const arriving = g.add("Mul", [dy, perChannel(g, slope, dy)]);
			const [atMaxima] = maxPool.backward?.(g, g.producer(largest) as Node, [arriving], [true]) ?? [];
			const share = g.add("Neg", [g.add("Mul", [slope, shareOfElement(g, signed.y)])]);
			const others = affine(g, signed.y, g.add("Mul", [share, products]), g.add("Mul", [share, dBias]));
			return [g.add("Add", [atMaxima as Value, others]), g.add("Mul", [products, sign]), dBias];
		},
	});
	return { ...signed, y, kept: signed.y };
}
