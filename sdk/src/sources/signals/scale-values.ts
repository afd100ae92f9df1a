/** Smallest and largest value; NaN does not count. Undefined where there is no other. */
export function valueRange(values: ArrayLike<number>): readonly [low: number, high: number] | undefined {
	let low = Number.POSITIVE_INFINITY;
	let high = Number.NEGATIVE_INFINITY;
	for (let i = 0; i < values.length; i++) {
		const value = values[i] as number;
		if (value < low) low = value;
		if (value > high) high = value;
	}
	return low <= high ? [low, high] : undefined;
}

/** Values brought to [0,1] by a range; 0 where the range has no width. What lies outside the range ends at 0 or 1. */
export function scaleToRange(values: ArrayLike<number>, [low, high]: readonly [number, number]): Float32Array {
	const factor = high > low ? 1 / (high - low) : 0;
	return Float32Array.from(values, (value) => Math.min(1, Math.max(0, (value - low) * factor)));
}
