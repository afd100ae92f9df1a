import type { Tensor } from "../tensor.js";

/** What the gradients of the last batches look like. */
export interface ScrutinyVerdict {
	/**
	 * How much more alike the gradients of samples of one class are than those of different classes: mean cosine similarity
	 * within classes less that between them, over the window.
	 */
	readonly separation: number;
	/** The gradients have nothing to do with the labels: whoever sends them does not train a classifier. */
	readonly suspicious: boolean;
	/** The batch before was not suspicious: this one is worth an alarm. */
	readonly raised: boolean;
}

export const scrutinyLimits = {
	/** Batches that a verdict is about. */
	scrutinyBatches: 20,
	/** Separation below which gradients are suspicious (docs/privacy.md has what honest and hijacking aggregators reach). */
	leastSeparation: 0.1,
} as const;

/**
 * Watches the gradients that come back to a device. An aggregator that trains a classifier pushes samples of one class alike and those of
 * different classes apart; one that hijacks the client segment to rebuild samples (Pasquini, Ateniese and Bernaschi, CCS 2021) sends
 * gradients that know nothing of the classes. After Fu et al., "Focusing on Pinocchio's nose: a gradients scrutinizer to thwart
 * split-learning hijacking attacks", NDSS 2023, section IV, with cosines alone.
 */
export class GradientScrutiny {
	readonly #window: number[] = [];
	#suspicious = false;

	/**
	 * @param gradient [B,...] at the cut
	 * @param labels [B] class of each sample
	 * @returns undefined until enough batches were seen that have two classes, and two samples of one
	 */
	observe(gradient: Tensor<"float32">, labels: ArrayLike<number>): ScrutinyVerdict | undefined {
		const separation = separationOf(gradient, labels);
		if (separation !== undefined) this.#window.push(separation);
		const { scrutinyBatches, leastSeparation } = scrutinyLimits;
		if (this.#window.length > scrutinyBatches) this.#window.shift();
		if (separation === undefined || this.#window.length < scrutinyBatches) return undefined;
		const mean = this.#window.reduce((a, b) => a + b, 0) / scrutinyBatches;
		const suspicious = mean < leastSeparation;
		const raised = suspicious && !this.#suspicious;
		this.#suspicious = suspicious;
		return { separation: mean, suspicious, raised };
	}
}

/**
 * Mean cosine of two gradients of one class less that of two of different classes. The sum over all pairs of unit vectors is
 * the squared length of their sum, so no pair is looked at by itself.
 */
function separationOf({ data, dims }: Tensor<"float32">, labels: ArrayLike<number>): number | undefined {
	const [count = 0] = dims;
	const size = data.length / count;
	const sums = new Map<number, { readonly sum: Float64Array; samples: number }>();
	let samples = 0;
	for (let n = 0; n < count; n++) {
		const row = data.subarray(n * size, (n + 1) * size);
		const length = lengthOf(row);
		// A sample that is learnt by heart has no gradient, and no direction.
		if (!(length > 0)) continue;
		const label = labels[n] as number;
		const own = sums.get(label) ?? { sum: new Float64Array(size), samples: 0 };
		sums.set(label, own);
		own.samples += 1;
		samples += 1;
		addScaled(own.sum, row, 1 / length);
	}
	const total = new Float64Array(size);
	for (const { sum } of sums.values()) {
		for (let i = 0; i < size; i++) total[i] = (total[i] as number) + (sum[i] as number);
	}
	let within = 0;
	let pairsWithin = 0;
	let squares = 0;
	let ordered = 0;
	for (const own of sums.values()) {
		within += squareOf(own.sum) - own.samples;
		pairsWithin += own.samples * (own.samples - 1);
		squares += squareOf(own.sum);
		ordered += own.samples ** 2;
	}
	const pairsBetween = samples ** 2 - ordered;
	if (pairsWithin === 0 || pairsBetween === 0) return undefined;
	return within / pairsWithin - (squareOf(total) - squares) / pairsBetween;
}

/**
 * In a loop of its own, compiled for float32 alone: every batch of every device comes through here. Two sums, so that an addition need not
 * wait for the last one.
 */
function lengthOf(row: Float32Array): number {
	let even = 0;
	let odd = 0;
	for (let i = 1; i < row.length; i += 2) {
		even += (row[i - 1] as number) * (row[i - 1] as number);
		odd += (row[i] as number) * (row[i] as number);
	}
	if (row.length % 2 === 1) even += (row[row.length - 1] as number) ** 2;
	return Math.sqrt(even + odd);
}

function addScaled(sum: Float64Array, row: Float32Array, factor: number): void {
	for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (row[i] as number) * factor;
}

function squareOf(sum: Float64Array): number {
	let square = 0;
	for (let i = 0; i < sum.length; i++) square += (sum[i] as number) * (sum[i] as number);
	return square;
}
