import type { Random } from "../ports/random.js";

/** Batch normalisation needs the spread of at least two samples. */
const smallestBatch = 2;

/**
 * The batches of one epoch: all samples in an order drawn for that epoch, cut into batches. The last, shorter one is
 * kept unless it holds a single sample.
 */
export function trainingBatches(samples: number, batchSize: number, epoch: number, random: Random): Uint32Array[] {
	const order = random.fork(`epoch ${epoch}`).permutation(samples);
	const batches = cut(order, batchSize);
	if ((batches.at(-1)?.length ?? 0) < Math.min(smallestBatch, batchSize)) batches.pop();
	return batches;
}

/** All samples in their own order, cut into batches. */
export function validationBatches(samples: number, batchSize: number): Uint32Array[] {
	return cut(
		Uint32Array.from({ length: samples }, (_, i) => i),
		batchSize,
	);
}

/** The first `steps` batches; all of them when `steps` is 0. */
export function limitBatches(batches: readonly Uint32Array[], steps: number): readonly Uint32Array[] {
	return steps === 0 ? batches : batches.slice(0, steps);
}

function cut(order: Uint32Array, batchSize: number): Uint32Array[] {
	const batches: Uint32Array[] = [];
	for (let from = 0; from < order.length; from += batchSize) batches.push(order.subarray(from, from + batchSize));
	return batches;
}
