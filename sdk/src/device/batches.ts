import type { Random } from "../ports/random.js";

/** Batch normalisation needs the spread of at least two samples. */
const smallestBatch = 2;

/** Batches that one pass over `samples` samples makes: a last, shorter one counts unless it holds a single sample. */
export function batchesPerPass(samples: number, batchSize: number): number {
	const rest = samples % batchSize;
	return Math.floor(samples / batchSize) + (rest >= smallestBatch ? 1 : 0);
}

/** The batches of one pass: all samples in an order drawn for that pass, cut into `batchesPerPass` batches. */
export function trainingBatches(samples: number, batchSize: number, pass: number, random: Random): Uint32Array[] {
	const order = random.fork(`epoch ${pass}`).permutation(samples);
	return cut(order, batchSize).slice(0, batchesPerPass(samples, batchSize));
}

/** All samples in their own order, cut into batches. */
export function validationBatches(samples: number, batchSize: number): Uint32Array[] {
	return cut(
		Uint32Array.from({ length: samples }, (_, i) => i),
		batchSize,
	);
}

/** `steps` batches from the one called `first`; all from there when `steps` is 0. */
export function limitBatches(batches: readonly Uint32Array[], steps: number, first = 0): readonly Uint32Array[] {
	return batches.slice(first, steps === 0 ? undefined : first + steps);
}

function cut(order: Uint32Array, batchSize: number): Uint32Array[] {
	const batches: Uint32Array[] = [];
	for (let from = 0; from < order.length; from += batchSize) batches.push(order.subarray(from, from + batchSize));
	return batches;
}
