import type { Tensor } from "@psgl/sdk";
import type { ClientWeights } from "@psgl/sdk/protocol";
import { weightedAverage } from "./averaging.js";

/** How client segments become one. */
export const averagingMethods = ["mean", "trimmed-mean", "median", "krum"] as const;

export type AveragingMethod = (typeof averagingMethods)[number];

/** Share of the devices that may be malicious: what the robust methods leave out. */
export const maliciousShare = 0.2;

type Vector = Tensor<"float32">;

/** One device's weights and the samples they were trained on. */
export interface ClientPart {
	readonly client: ClientWeights;
	readonly weight: number;
}

const names = ["params", "stats", "head"] as const;

/**
 * Combines client segments. `mean` weighs by samples, and one device decides what becomes of it; the others count every
 * device alike, since samples are what a device says, and bear a fifth of them being malicious:
 * - `trimmed-mean`: for each weight, the mean without the fifth at either end (Yin et al., ICML 2018)
 * - `median`: for each weight, the median (ibid.)
 * - `krum`: the mean of the four fifths nearest to their neighbours (multi-Krum; Blanchard et al., NeurIPS 2017)
 *
 * The same parts in the same order give the same bits. Below three devices all are the mean.
 * @throws ShapeError `PSGL_AVERAGE_SHAPE`.
 */
export function combineClients(parts: readonly ClientPart[], method: AveragingMethod): ClientWeights {
	if (method === "mean" || parts.length < 3) return meanOf(parts);
	const malicious = Math.min(Math.ceil(maliciousShare * parts.length), Math.floor((parts.length - 1) / 2));
	if (method === "krum") return meanOf(nearest(parts, malicious).map(({ client }) => ({ client, weight: 1 })));
	const left = method === "median" ? Math.floor((parts.length - 1) / 2) : malicious;
	const trimmed = (name: (typeof names)[number]) =>
		trimmedMean(
			parts.map(({ client }) => client[name]),
			left,
		);
	return { params: trimmed("params"), stats: trimmed("stats"), head: trimmed("head") };
}

function meanOf(parts: readonly ClientPart[]): ClientWeights {
	const mean = (name: (typeof names)[number]) =>
		weightedAverage(parts.map(({ client, weight }) => ({ vector: client[name], weight })));
	return { params: mean("params"), stats: mean("stats"), head: mean("head") };
}

/** For each place the mean of the values between the `left` smallest and the `left` largest. */
function trimmedMean(vectors: readonly Vector[], left: number): Vector {
	const length = vectors[0]?.data.length ?? 0;
	const data = new Float32Array(length);
	const values = new Float64Array(vectors.length);
	const kept = vectors.length - 2 * left;
	for (let i = 0; i < length; i++) {
		for (const [k, vector] of vectors.entries()) values[k] = vector.data[i] as number;
		values.sort();
		const lowest = values[left] as number;
		let sum = 0;
		// Sums of differences: equal values give themselves to the last bit.
		for (let k = left; k < left + kept; k++) sum += (values[k] as number) - lowest;
		data[i] = lowest + sum / kept;
	}
	return { dtype: "float32", dims: [length], data };
}

/** All but `malicious` parts, those with the least sum of squared distances to their n - malicious - 2 nearest neighbours. */
function nearest(parts: readonly ClientPart[], malicious: number): readonly ClientPart[] {
	const neighbours = Math.max(1, parts.length - malicious - 2);
	const scores = parts.map(({ client: own }, i) => {
		const distances = parts.filter((_, k) => k !== i).map(({ client }) => squaredDistance(own, client));
		return distances
			.sort((a, b) => a - b)
			.slice(0, neighbours)
			.reduce((sum, distance) => sum + distance, 0);
	});
	const order = scores.map((_, i) => i).sort((a, b) => (scores[a] as number) - (scores[b] as number) || a - b);
	const chosen = new Set(order.slice(0, parts.length - malicious));
	return parts.filter((_, i) => chosen.has(i));
}

function squaredDistance(a: ClientWeights, b: ClientWeights): number {
	let sum = 0;
	for (const name of ["params", "head"] as const) {
		const [x, y] = [a[name].data, b[name].data];
		for (let i = 0; i < x.length; i++) sum += ((x[i] as number) - (y[i] as number)) ** 2;
	}
	return sum;
}
