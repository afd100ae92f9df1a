import { toHex } from "../hex.js";
import type { Dataset } from "../sources/dataset.js";
import { elementCount, type Tensor } from "../tensor.js";

/** Bytes of a digest that name a record: two records that shared one would share a budget, which is on the safe side. */
const digestBytes = 16;

/**
 * Names of samples by what is in them: SHA-256 of shape and values, cut to 128 bits. The same sample has the same name under any
 * number, file or label, as bytes or as float32.
 * @param x [B, ...shape] in [0,1]
 */
export async function recordDigests({ dims, data }: Tensor<"float32">): Promise<readonly string[]> {
	const [count = 0, ...shape] = dims;
	const size = elementCount(shape);
	const header = new TextEncoder().encode(`${shape.join("x")}:`);
	return Promise.all(
		Array.from({ length: count }, async (_, i) => {
			const bytes = new Uint8Array(header.length + 4 * size);
			bytes.set(header);
			const values = new DataView(bytes.buffer, header.length);
			// Adding 0 makes -0 the 0 it is equal to.
			for (let v = 0; v < size; v++) values.setFloat32(4 * v, (data[i * size + v] as number) + 0, true);
			const digest = await crypto.subtle.digest("SHA-256", bytes);
			return toHex(new Uint8Array(digest, 0, digestBytes));
		}),
	);
}

/** Names of a data set's samples, each computed once. */
export class DatasetDigests {
	readonly #known = new WeakMap<Dataset, (string | undefined)[]>();

	/** Of the samples at `indices`, which are `x`. */
	async of(dataset: Dataset, indices: ArrayLike<number>, x: Tensor<"float32">): Promise<readonly string[]> {
		const known = this.#known.get(dataset) ?? new Array<string | undefined>(dataset.length);
		this.#known.set(dataset, known);
		const found = Array.from({ length: indices.length }, (_, i) => known[indices[i] as number]);
		if (found.every((digest) => digest !== undefined)) return found as string[];
		const digests = await recordDigests(x);
		digests.forEach((digest, i) => {
			known[indices[i] as number] = digest;
		});
		return digests;
	}
}
