import type { ClientWeights } from "@psgl/sdk/protocol";
import { median } from "./median.js";

/** Bounds of the guard; below `minDevices` there is no telling who is the outlier. */
export const outlierLimits = { minDevices: 4, maxNormRatio: 3, minCosine: 0 } as const;

/** Why a device's weights, or its smashed data, are left out. */
export interface Outlier {
	readonly index: number;
	readonly reason: string;
}

/**
 * Finds weights whose change since `before` is more than three times as long as the median change, or points away from the median
 * change, taken for each weight by itself. Most devices have to be honest.
 */
export function findOutliers(before: ClientWeights, after: readonly ClientWeights[]): readonly Outlier[] {
	if (after.length < outlierLimits.minDevices) return [];
	const changes = after.map((weights) => change(before, weights));
	const norms = changes.map((each) => Math.sqrt(dot(each, each)));
	const typical = median(norms);
	const direction = new Float64Array(changes[0]?.length ?? 0).map((_, i) =>
		median(changes.map((each) => each[i] as number)),
	);
	const length = Math.sqrt(dot(direction, direction));
	return changes.flatMap((each, index) => {
		const norm = norms[index] as number;
		if (norm > outlierLimits.maxNormRatio * typical) {
			return [{ index, reason: `its change is ${(norm / typical).toFixed(1)} times as long as the median one` }];
		}
		const cosine = norm * length === 0 ? 1 : dot(each, direction) / (norm * length);
		if (cosine >= outlierLimits.minCosine) return [];
		return [{ index, reason: `its change points away from the others', cosine ${cosine.toFixed(2)}` }];
	});
}

function change(before: ClientWeights, { params, head }: ClientWeights): Float64Array {
	const [from, to] = [
		[before.params.data, before.head.data],
		[params.data, head.data],
	] as const;
	const all = new Float64Array(to[0].length + to[1].length);
	for (let i = 0; i < to[0].length; i++) all[i] = (to[0][i] as number) - (from[0][i] as number);
	for (let i = 0; i < to[1].length; i++) all[to[0].length + i] = (to[1][i] as number) - (from[1][i] as number);
	return all;
}

function dot(a: Float64Array, b: Float64Array): number {
	let sum = 0;
	for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
	return sum;
}
