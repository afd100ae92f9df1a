/**
 * Area under the ROC curve of scores for telling positive from negative samples, from the sum of the positives' ranks;
 * equal scores share the mean of their ranks (Mann and Whitney 1947). NaN without samples of both kinds.
 */
export function areaUnderCurve(
	count: number,
	score: (sample: number) => number,
	isPositive: (sample: number) => boolean,
): number {
	const order = Uint32Array.from({ length: count }, (_, n) => n).sort((a, b) => score(a) - score(b));
	let rankSum = 0;
	let positives = 0;
	for (let start = 0; start < count; ) {
		let end = start + 1;
		while (end < count && score(order[end] as number) === score(order[start] as number)) end++;
		const rank = (start + 1 + end) / 2;
		for (let i = start; i < end; i++) {
			if (!isPositive(order[i] as number)) continue;
			rankSum += rank;
			positives += 1;
		}
		start = end;
	}
	return (rankSum - (positives * (positives + 1)) / 2) / (positives * (count - positives));
}
