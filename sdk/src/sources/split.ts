import type { Random } from "../ports/random.js";

/** Share of the train part that becomes a missing validation or test part. */
export const heldOutFraction = 0.15;

/** Most samples a missing part takes: enough to tell two models apart by half a point. */
export const heldOutCap = 5000;

/**
 * Divides samples in two so that every class keeps its share in both. A class with at least two samples is
 * in both; both lists are ascending.
 *
 * @param labels [N] class indices
 * @param fraction share of each class that is taken, in 0..1
 * @param cap most samples taken in all; the share shrinks to fit
 */
export function stratifiedSplit(
	labels: ArrayLike<number>,
	fraction: number,
	cap: number,
	random: Random,
): { kept: Uint32Array; taken: Uint32Array } {
	const share = Math.min(fraction, cap / Math.max(1, labels.length));
	const kept: number[] = [];
	const taken: number[] = [];
	for (const members of indicesByClass(labels)) {
		const wanted = Math.floor(members.length * share);
		const count = members.length < 2 ? 0 : Math.min(members.length - 1, Math.max(1, wanted));
		random.permutation(members.length).forEach((position, i) => {
			(i < count ? taken : kept).push(members[position] as number);
		});
	}
	return { kept: Uint32Array.from(kept).sort(), taken: Uint32Array.from(taken).sort() };
}

/**
 * Divides samples in two so that all samples of a patient or record are on one side, and every class keeps about its share:
 * of the records in random order, always the one is taken next that brings the classes closest to their shares, until
 * none does. Both lists are ascending; `taken` is empty where a single record is there.
 *
 * @param labels [N] class indices
 * @param records [N] patient or record of each sample
 * @param fraction share of each class that is taken, in 0..1
 * @param cap most samples taken in all; the share shrinks to fit
 */
export function recordSplit(
	labels: ArrayLike<number>,
	records: ArrayLike<number>,
	fraction: number,
	cap: number,
	random: Random,
): { kept: Uint32Array; taken: Uint32Array } {
	const share = Math.min(fraction, cap / Math.max(1, labels.length));
	const byClass = indicesByClass(labels);
	const missing = byClass.map((members) => members.length * share);
	const counts = new Map<number, Float64Array>();
	for (let i = 0; i < labels.length; i++) {
		const record = records[i] as number;
		const count = counts.get(record) ?? new Float64Array(byClass.length);
		count[labels[i] as number] = (count[labels[i] as number] as number) + 1;
		counts.set(record, count);
	}
	const names = [...counts.keys()];
	const left = [...random.permutation(names.length)].map((i) => names[i] as number);
	const takenRecords = new Set<number>();
	// One record has to stay.
	while (left.length > 1) {
		let best = -1;
		// The first one is taken in any case: an empty part is of no use to anyone.
		let bestGain = takenRecords.size === 0 ? Number.NEGATIVE_INFINITY : 0;
		for (const [position, record] of left.entries()) {
			const gain = gainOf(counts.get(record) as Float64Array, missing);
			if (gain > bestGain) [best, bestGain] = [position, gain];
		}
		if (best < 0) break;
		const [record] = left.splice(best, 1) as [number];
		takenRecords.add(record);
		(counts.get(record) as Float64Array).forEach((count, label) => {
			missing[label] = (missing[label] as number) - count;
		});
	}
	const kept: number[] = [];
	const taken: number[] = [];
	for (let i = 0; i < labels.length; i++) (takenRecords.has(records[i] as number) ? taken : kept).push(i);
	return { kept: Uint32Array.from(kept), taken: Uint32Array.from(taken) };
}

/** How much closer the classes come to their shares, as the fall of the squared distance. */
function gainOf(count: Float64Array, missing: readonly number[]): number {
	let gain = 0;
	for (let k = 0; k < count.length; k++) {
		const wanted = missing[k] as number;
		gain += wanted ** 2 - (wanted - (count[k] as number)) ** 2;
	}
	return gain;
}

/** Indices of the samples of each class, ascending, by class index. */
export function indicesByClass(labels: ArrayLike<number>): number[][] {
	const byClass: number[][] = [];
	for (let i = 0; i < labels.length; i++) {
		const label = labels[i] as number;
		while (byClass.length <= label) byClass.push([]);
		byClass[label]?.push(i);
	}
	return byClass;
}
