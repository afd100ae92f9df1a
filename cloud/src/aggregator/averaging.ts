import { ShapeError, type Tensor } from "@psgl/sdk";

/** A flat vector and how much it counts. */
export interface Weighted {
	readonly vector: Tensor<"float32">;
	/** Not negative; for client segments the samples they were trained on. */
	readonly weight: number;
}

/**
 * Weighted mean of flat vectors (McMahan et al., AISTATS 2017, algorithm 1), summed in float64 in the given order, so
 * the same vectors in the same order give the same bits.
 * @throws ShapeError `PSGL_AVERAGE_SHAPE` when the vectors have different lengths or no weight is positive.
 */
export function weightedAverage(parts: readonly Weighted[]): Tensor<"float32"> {
	const total = parts.reduce((sum, part) => sum + part.weight, 0);
	const length = parts[0]?.vector.data.length ?? 0;
	if (!(total > 0) || parts.some((part) => part.vector.data.length !== length || part.weight < 0)) {
		throw new ShapeError("PSGL_AVERAGE_SHAPE", {
			what: "these vectors have no weighted average",
			got: parts.map(({ vector, weight }) => `${vector.data.length} values with weight ${weight}`).join(", ") || "none",
			expected: "vectors of one length, weights not negative, at least one positive",
		});
	}
	const counted = parts.filter((part) => part.weight > 0);
	// The mean of one vector is that vector to the last bit, which a product with 1/n need not give.
	if (counted.length === 1 && counted[0] !== undefined) return counted[0].vector;
	const sum = new Float64Array(length);
	for (const { vector, weight } of counted) {
		const { data } = vector;
		const share = weight / total;
		for (let i = 0; i < length; i++) sum[i] = (sum[i] as number) + share * (data[i] as number);
	}
	return { dtype: "float32", dims: [length], data: Float32Array.from(sum) };
}
