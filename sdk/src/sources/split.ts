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
