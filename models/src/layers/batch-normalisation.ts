import { type Attributes, float, int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { normaliseByBatch } from "./normalise-by-batch.js";
import { normalisedMaximum } from "./normalised-maximum.js";

/** Vectors [C] of one batch normalisation. */
export interface NormalisationParameters {
	readonly scale: Value;
	readonly bias: Value;
	/** Running mean. */
	readonly mean: Value;
	/** Running unbiased variance. */
	readonly variance: Value;
}

export interface NormalisationOptions {
	/** True: normalise by the batch and move the running statistics. False: normalise by the running statistics. */
	readonly training: boolean;
	/** Share of the batch in the next running statistics. Default 0.1, as in PyTorch (ONNX counts the other share). */
	readonly momentum?: number;
	/** Added to the variance. Default 1e-5. */
	readonly epsilon?: number;
	/** Attributes of MaxPool: `y` is the largest of each of these windows. Left out: all of it. */
	readonly windows?: Attributes | undefined;
}

export interface NormalisationResult {
	/** Same shape as x, or [B,C,...places of the windows]. */
	readonly y: Value;
	/** Running mean after this batch. */
	readonly nextMean: Value;
	/** Running variance after this batch. */
	readonly nextVariance: Value;
}

/**
 * Batch normalisation of x [B,C,...] with PyTorch's running statistics: the batch is normalised by its
 * biased variance, the running one takes the unbiased, `n / (n - 1)` times as large (PyTorch BatchNorm2d).
 */
export function batchNormalisation(
	g: GraphBuilder,
	x: Value,
	{ scale, bias, mean, variance }: NormalisationParameters,
	{ training, momentum = 0.1, epsilon = 1e-5, windows }: NormalisationOptions,
): NormalisationResult {
	if (!training) {
		const y = g.add("BatchNormalization", [x, scale, bias, mean, variance], { epsilon: float(epsilon) });
		return { y: windows ? g.add("MaxPool", [y], windows) : y, nextMean: mean, nextVariance: variance };
	}
	const parameters = { scale, bias, mean, variance };
	const batch = windows
		? normalisedMaximum(g, x, parameters, epsilon, windows)
		: normaliseByBatch(g, x, parameters, epsilon);
	const elements = g.add("Cast", [g.add("Size", [batch.kept])], { to: int(1) });
	const count = g.add("Div", [elements, g.scalar(x.shape[1] as number)]);
	// A single pixel has no unbiased variance; PyTorch refuses it, here its variance of 0 stays 0.
	const degrees = g.add("Max", [g.add("Sub", [count, g.scalar(1)]), g.scalar(1)]);
	const unbiased = g.add("Mul", [batch.variance, g.add("Div", [count, degrees])]);
	const move = (running: Value, current: Value) =>
		g.add("Add", [g.add("Mul", [running, g.scalar(1 - momentum)]), g.add("Mul", [current, g.scalar(momentum)])]);
	return { y: batch.y, nextMean: move(mean, batch.mean), nextVariance: move(variance, unbiased) };
}
