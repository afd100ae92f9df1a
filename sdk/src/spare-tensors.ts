import type { DType, Tensor } from "./tensor.js";

export const spareLimits = {
	/** Tensors that are kept, and their bytes; the oldest goes. */
	maxSpareTensors: 8,
	maxSpareBytes: 33_554_432,
} as const;

/**
 * Tensors nobody needs any more, for a graph to write its next results over: to touch new memory and to collect it takes longer than what a
 * small graph computes (docs/performance.md). Who gives one up must be the last that holds it, or a view on it.
 */
export class SpareTensors {
	readonly #kept: Tensor[] = [];

	/** One of this shape, the last that was given as the processor may still have it at hand; the caller's from here on. */
	take<T extends DType>(dtype: T, dims: readonly number[]): Tensor<T> | undefined {
		const index = this.#kept.findLastIndex((kept) => kept.dtype === dtype && hasShape(kept, dims));
		return index < 0 ? undefined : (this.#kept.splice(index, 1)[0] as Tensor<T>);
	}

	/** Again it has no effect. */
	give(tensor: Tensor): void {
		if (this.#kept.some(({ data }) => data === tensor.data)) return;
		this.#kept.push(tensor);
		let bytes = this.#kept.reduce((sum, { data }) => sum + data.byteLength, 0);
		while (this.#kept.length > spareLimits.maxSpareTensors || bytes > spareLimits.maxSpareBytes) {
			bytes -= this.#kept.shift()?.data.byteLength ?? 0;
		}
	}
}

function hasShape({ dims }: Tensor, expected: readonly number[]): boolean {
	return dims.length === expected.length && dims.every((extent, axis) => extent === expected[axis]);
}
