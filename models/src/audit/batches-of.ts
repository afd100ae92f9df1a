import type { Random } from "@psgl/sdk";

/** Gives the next batch of `size` out of `count` samples at each call, all of them in random order again and again. */
export function batchesOf(count: number, random: Random, size: number): () => Uint32Array {
	const length = Math.min(size, count);
	let order = random.permutation(count);
	let at = 0;
	return () => {
		if (at + length > count) {
			order = random.permutation(count);
			at = 0;
		}
		at += length;
		return order.subarray(at - length, at);
	};
}
