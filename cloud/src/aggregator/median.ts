/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
	const sorted = Float64Array.from(values).sort();
	const [low, high] = [Math.floor((sorted.length - 1) / 2), Math.floor(sorted.length / 2)];
	return ((sorted[low] as number) + (sorted[high] as number)) / 2;
}

/** Spread by the median absolute deviation, scaled to the standard deviation of a normal distribution. */
export function medianDeviation(values: readonly number[]): number {
	const middle = median(values);
	return 1.4826 * median(values.map((value) => Math.abs(value - middle)));
}
