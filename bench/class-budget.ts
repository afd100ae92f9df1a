/** A code of one number with another budget for each class: samples that the local head puts in a class get that class's bits. */
import type { Tensor } from "@psgl/sdk";
import type { Dataset } from "@psgl/sdk/sources";

type Real = Tensor<"float32">;

export interface ClassBudget {
	/** Levels [N,1] as they are sent, fewer of them. */
	levels(levels: Real): Real;
	/** Probabilities [N*2] of what the aggregator learns of these: how often each belongs to a class. */
	scores(levels: Real): Float32Array;
}

/**
 * The levels of each class's side of the code are put together, neighbours with neighbours, until as many are left as its bits allow.
 * @param coded levels [N,1] and the local head's probabilities [N,2] of the training samples
 */
export function classBudget(
	bits: readonly number[],
	{ levels, scores }: { readonly levels: Real; readonly scores: Real },
	{ labels }: Dataset,
): ClassBudget {
	const sides: number[][] = bits.map(() => []);
	levels.data.forEach((level, n) => {
		const side = sides[(scores.data[2 * n + 1] as number) > 0.5 ? 1 : 0] as number[];
		if (!side.includes(level)) side.push(level);
	});
	const sent = new Map<number, number>();
	for (const [side, known] of sides.entries()) {
		const sorted = known.toSorted((a, b) => a - b);
		const groups = Math.min(sorted.length, 2 ** (bits[side] as number));
		for (let group = 0; group < groups; group++) {
			const from = Math.floor((group * sorted.length) / groups);
			const own = sorted.slice(from, Math.floor(((group + 1) * sorted.length) / groups));
			for (const level of own) sent.set(level, own[Math.floor(own.length / 2)] as number);
		}
	}
	/** A level that no training sample has goes with the nearest that one has. */
	const nearest = (level: number) =>
		sent.get(level) ??
		(sent.get([...sent.keys()].reduce((a, b) => (Math.abs(b - level) < Math.abs(a - level) ? b : a))) as number);
	const counts = new Map<number, [number, number]>();
	levels.data.forEach((level, n) => {
		const count = counts.get(nearest(level)) ?? [0.5, 0.5];
		const label = labels[n] === 1 ? 1 : 0;
		count[label] += 1;
		counts.set(nearest(level), count);
	});
	return {
		levels: (all) => ({ ...all, data: all.data.map(nearest) }),
		scores: ({ data }) => {
			const rows = new Float32Array(2 * data.length);
			data.forEach((level, n) => {
				const [none, one] = counts.get(nearest(level)) ?? [0.5, 0.5];
				rows.set([none / (none + one), one / (none + one)], 2 * n);
			});
			return rows;
		},
	};
}
