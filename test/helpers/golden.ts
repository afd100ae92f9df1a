import type { Tensor } from "@psgl/sdk";
import { readNpz } from "@psgl/sdk/sources";
import { sharedPath } from "./shared.js";

/** One file of golden vectors: its arrays as float32 tensors by name, its settings as text. */
export interface GoldenVectors {
	(key: string): Tensor<"float32">;
	text(key: string): string;
}

export async function goldenVectors(name: string): Promise<GoldenVectors> {
	const arrays = await readNpz(sharedPath("vectors", `${name}.npz`));
	const numbers = (key: string): Tensor<"float32"> => {
		const array = arrays.get(key);
		if (array === undefined || typeof array === "string" || !("dims" in array)) {
			throw new Error(`${name}.npz has no numbers ${key}`);
		}
		return {
			dtype: "float32",
			dims: array.dims,
			data: Float32Array.from(array.data as ArrayLike<number | bigint>, Number),
		};
	};
	const text = (key: string): string => {
		const array = arrays.get(key);
		if (typeof array !== "string") throw new Error(`${name}.npz has no text ${key}`);
		return array;
	};
	return Object.assign(numbers, { text });
}

/** Largest difference over the largest expected magnitude. */
export function relativeError(got: Tensor, expected: Tensor): number {
	if (got.dims.join() !== expected.dims.join()) return Number.POSITIVE_INFINITY;
	let difference = 0;
	let magnitude = 1e-30;
	for (let i = 0; i < expected.data.length; i++) {
		const e = Number(expected.data[i]);
		const d = Math.abs(Number(got.data[i]) - e);
		if (!(d <= difference)) difference = Number.isNaN(d) ? Number.POSITIVE_INFINITY : d;
		magnitude = Math.max(magnitude, Math.abs(e));
	}
	return difference / magnitude;
}
