import type { Random } from "../ports/random.js";
import { elementCount, type Tensor } from "../tensor.js";

/** Quantisation steps on either side of zero. */
const levels = 127;

export interface PerturbationStoreOptions {
	/** Samples the device trains on. */
	readonly samples: number;
	/** Shape of one sample. */
	readonly shape: readonly number[];
	/** Bound e of the perturbation, a fraction of the input's range. */
	readonly budget: number;
	readonly random: Random;
}

/**
 * The robust perturbation of each training sample, kept from epoch to epoch and started uniform in [-e, e] (Wong, Rice
 * and Kolter, ICLR 2020). Held as int8 in steps of e/127: a quarter of the memory, and an error below e/254.
 */
export class PerturbationStore {
	readonly #shape: readonly number[];
	readonly #size: number;
	readonly #step: number;
	readonly #values: Int8Array;
	/** Bound e. */
	readonly budget: number;

	constructor({ samples, shape, budget, random }: PerturbationStoreOptions) {
		this.#shape = shape;
		this.#size = elementCount(shape);
		this.#step = budget / levels;
		this.budget = budget;
		this.#values = new Int8Array(samples * this.#size);
		for (let i = 0; i < this.#values.length; i++) {
			this.#values[i] = Math.round((2 * random.uniform() - 1) * levels);
		}
	}

	/** Perturbations [B, ...shape] of the samples at `indices`. */
	read(indices: ArrayLike<number>): Tensor<"float32"> {
		const data = new Float32Array(indices.length * this.#size);
		for (let b = 0; b < indices.length; b++) {
			const from = (indices[b] as number) * this.#size;
			for (let i = 0; i < this.#size; i++) data[b * this.#size + i] = (this.#values[from + i] as number) * this.#step;
		}
		return { dtype: "float32", dims: [indices.length, ...this.#shape], data };
	}

	/** The stored bytes of one sample, a view. */
	row(index: number): Uint8Array {
		return new Uint8Array(this.#values.buffer, index * this.#size, this.#size);
	}

	/** Keeps perturbations [B, ...shape], cut to [-e, e], for the samples at `indices`. */
	write(indices: ArrayLike<number>, delta: Tensor<"float32">): void {
		for (let b = 0; b < indices.length; b++) {
			const to = (indices[b] as number) * this.#size;
			for (let i = 0; i < this.#size; i++) {
				const value = Math.round((delta.data[b * this.#size + i] as number) / this.#step);
				this.#values[to + i] = Math.max(-levels, Math.min(levels, value));
			}
		}
	}
}
