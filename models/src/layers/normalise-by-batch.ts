import { float, int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import type { NormalisationParameters } from "./batch-normalisation.js";

/** A batch normalised by its own statistics. */
export interface NormalisedBatch {
	/** Same shape as x. */
	readonly y: Value;
	/** [C] */
	readonly mean: Value;
	/** Biased. [C] */
	readonly variance: Value;
	/** Of the shape of x, needed for its gradient: what else needs the size alone takes that of this one. */
	readonly kept: Value;
}

/**
 * x [B,C,...] normalised per channel by its own mean and biased variance, times scale, plus bias. The running statistics
 * given are neither used nor changed.
 *
 * The ONNX operator with a momentum of 0 returns the statistics of the batch themselves; in training it
 * takes 0.35 ms on [64,16,14,14], the same from primitives 0.63 ms.
 */
export function normaliseByBatch(
	g: GraphBuilder,
	x: Value,
	{ scale, bias, mean, variance }: NormalisationParameters,
	epsilon: number,
): NormalisedBatch {
	// ONNX Runtime writes the statistics over the node's mean and variance *inputs*, also where those are feeds or read
	// elsewhere. With a momentum of 0 their values do not matter, so the node gets vectors of its own to overwrite; the
	// factors differ from node to node, because equal ones would be merged into one buffer.
	const overwritten = [mean, variance].map((vector) => g.add("Mul", [vector, g.scalar(g.nodes.length)]));
	const [y, batchMean, batchVariance] = g.addMany("BatchNormalization", [x, scale, bias, ...overwritten], 3, {
		epsilon: float(epsilon),
		momentum: float(0),
		training_mode: int(1),
	}) as [Value, Value, Value];
	return { y, mean: batchMean, variance: batchVariance, kept: x };
}
