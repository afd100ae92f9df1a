import { elementCount, type Random } from "@psgl/sdk";

/** How a parameter starts. `uniform`: uniform in [-bound, bound]. `values`: as a file has it, row by row. */
export type Initialiser =
	| { readonly kind: "constant"; readonly value: number }
	| { readonly kind: "values"; readonly values: Float32Array }
	| { readonly kind: "uniform"; readonly bound: number };

/** One tensor inside a flat vector. */
export interface LayoutEntry {
	readonly name: string;
	readonly shape: readonly number[];
	/** Index of its first element in the flat vector. */
	readonly offset: number;
	readonly initialiser: Initialiser;
}

/** Where each tensor of a segment lies in its flat vector. */
export class ParameterLayout {
	readonly entries: readonly LayoutEntry[];
	/** Length of the flat vector. */
	readonly length: number;

	constructor(tensors: readonly Omit<LayoutEntry, "offset">[]) {
		let offset = 0;
		this.entries = tensors.map((t) => {
			const entry = { ...t, offset };
			offset += elementCount(t.shape);
			return entry;
		});
		this.length = offset;
	}

	/** A fresh flat vector [length]. Each tensor draws from its own fork, so adding one leaves the others alone. */
	initialise(random: Random): Float32Array {
		const flat = new Float32Array(this.length);
		for (const { name, shape, offset, initialiser } of this.entries) {
			const end = offset + elementCount(shape);
			if (initialiser.kind === "constant") {
				flat.fill(initialiser.value, offset, end);
				continue;
			}
			if (initialiser.kind === "values") {
				flat.set(initialiser.values, offset);
				continue;
			}
			const draws = random.fork(name);
			for (let i = offset; i < end; i++) flat[i] = (2 * draws.uniform() - 1) * initialiser.bound;
		}
		return flat;
	}
}
