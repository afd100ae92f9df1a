import type { Tensor } from "@psgl/sdk";
import { median, medianDeviation } from "./median.js";
import type { Outlier } from "./outlier-guard.js";

/** Bounds of the guard on smashed data. A batch is an outlier only where it goes past the fixed bound and past the spread of the others. */
export const smashedGuardLimits = {
	/** Devices that are compared; among fewer there is no telling who is the outlier. */
	minDevices: 4,
	/** Devices whose last batch is remembered. */
	window: 64,
	/** Values a batch is summarised by. */
	summaryLength: 256,
	/** Size of a batch's values over the median size, or the median over it. */
	maxNormRatio: 2,
	/** How far the cosine to the median batch may lie below the median cosine. */
	maxCosineLoss: 0.3,
	/** Spreads (1.4826 times the median absolute deviation) a batch may lie from the median. */
	maxSpreads: 6,
} as const;

interface Summary {
	/** Natural logarithm of the root mean square of all values. */
	readonly logSize: number;
	/** Mean over the samples, then over runs of neighbouring values: at most `summaryLength` values. */
	readonly pattern: Float64Array;
}

/** A device's smashed data of one batch, [B,...]. */
export interface GuardedBatch {
	readonly device: string;
	readonly smashed: Tensor<"float32">;
}

/**
 * Finds batches of smashed data that are far larger or smaller than those of the other devices, or point elsewhere. The
 * last batch of each of the last 64 devices is the reference: a device counts once, however many batches it sends, so most
 * devices have to be honest, not most batches. Medians bear up to half of bad values (Huber and Ronchetti, Robust
 * Statistics, 2009, section 1.4).
 */
export class SmashedGuard {
	readonly #window = new Map<string, Summary>();

	/** Which of the batches of one step are outliers among them and what came before. */
	judge(batches: readonly GuardedBatch[]): readonly Outlier[] {
		const own = batches.map(({ device, smashed }) => [device, summarise(smashed)] as const);
		const pool = [...new Map([...this.#window, ...own]).values()];
		if (pool.length < smashedGuardLimits.minDevices) return [];
		const sizes = pool.map(({ logSize }) => logSize);
		const size = median(sizes);
		const length = Math.max(...pool.map(({ pattern }) => pattern.length));
		const typical = Float64Array.from({ length }, (_, i) => median(pool.map(({ pattern }) => pattern[i] ?? 0)));
		const cosines = pool.map(({ pattern }) => cosine(pattern, typical));
		const cosineOfAll = median(cosines);
		const { maxNormRatio, maxCosineLoss, maxSpreads } = smashedGuardLimits;
		const sizeBound = Math.max(Math.log(maxNormRatio), maxSpreads * medianDeviation(sizes));
		const cosineBound = Math.max(maxCosineLoss, maxSpreads * medianDeviation(cosines));
		return own.flatMap(([, { logSize, pattern }], index) => {
			const distance = logSize - size;
			if (Math.abs(distance) > sizeBound) {
				return [
					{ index, reason: `its smashed data are ${Math.exp(distance).toFixed(2)} times as large as the median` },
				];
			}
			const along = cosine(pattern, typical);
			if (along >= cosineOfAll - cosineBound) return [];
			return [{ index, reason: `its smashed data point elsewhere, cosine ${along.toFixed(2)}` }];
		});
	}

	/** Remembers batches a step was made with. */
	observe(batches: readonly GuardedBatch[]): void {
		for (const { device, smashed } of batches) {
			this.#window.delete(device);
			this.#window.set(device, summarise(smashed));
		}
		for (const device of this.#window.keys()) {
			if (this.#window.size <= smashedGuardLimits.window) break;
			this.#window.delete(device);
		}
	}
}

function summarise({ dims, data }: Tensor<"float32">): Summary {
	const size = data.length / (dims[0] as number);
	const run = Math.ceil(size / smashedGuardLimits.summaryLength);
	const pattern = new Float64Array(Math.ceil(size / run));
	let squares = 0;
	for (let i = 0; i < data.length; i++) {
		const value = data[i] as number;
		squares += value * value;
		const place = Math.floor((i % size) / run);
		pattern[place] = (pattern[place] as number) + value;
	}
	// Smashed data of zeros are small, not without size.
	return { logSize: Math.log(Math.max(Math.sqrt(squares / data.length), 1e-12)), pattern };
}

/** 1 where either has no direction. */
function cosine(a: Float64Array, b: Float64Array): number {
	let product = 0;
	let [lengthA, lengthB] = [0, 0];
	for (let i = 0; i < a.length; i++) {
		const [x, y] = [a[i] as number, b[i] as number];
		product += x * y;
		lengthA += x * x;
		lengthB += y * y;
	}
	const length = Math.sqrt(lengthA * lengthB);
	return length === 0 ? 1 : product / length;
}
