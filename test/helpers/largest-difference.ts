import type { Tensor } from "@psgl/sdk";

/** Largest absolute difference between two tensors' values; infinite for NaN or different lengths. */
export function largestDifference(got: Tensor | undefined, expected: Tensor): number {
	if (got === undefined || got.data.length !== expected.data.length) return Number.POSITIVE_INFINITY;
	let largest = 0;
	for (let i = 0; i < expected.data.length; i++) {
		const difference = Math.abs(Number(got.data[i]) - Number(expected.data[i]));
		if (!(difference <= largest)) largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
	}
	return largest;
}
