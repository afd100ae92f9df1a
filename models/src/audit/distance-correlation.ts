import type { Runtime, Tensor } from "@psgl/sdk";
import { squaredDistances } from "./squared-distances.js";

type Real = Tensor<"float32">;

/**
 * Distance correlation of samples a [N,...] with what was sent for them b [N,...], in [0,1]; 0 only where they are
 * independent (Székely, Rizzo and Bakirov, Annals of Statistics 35(6), 2007, Eq. 2.9).
 */
export async function distanceCorrelation(runtime: Runtime, a: Real, b: Real, threads = 1): Promise<number> {
	const count = a.dims[0] as number;
	const x = centred(await squaredDistances(runtime, a, a, threads), count);
	const y = centred(await squaredDistances(runtime, b, b, threads), count);
	const product = (p: Float64Array, q: Float64Array) => p.reduce((sum, value, i) => sum + value * (q[i] as number), 0);
	const scale = Math.sqrt(product(x, x) * product(y, y));
	return scale === 0 ? 0 : Math.sqrt(Math.max(product(x, y), 0) / scale);
}

/** Distances without the means of their row and column, plus the mean of all. */
function centred(squares: Float32Array, count: number): Float64Array {
	const distances = Float64Array.from(squares, Math.sqrt);
	// The product of large numbers that makes the distances leaves some of a sample from itself.
	for (let i = 0; i < count; i++) distances[i * count + i] = 0;
	const means = new Float64Array(count);
	distances.forEach((d, at) => {
		const row = Math.floor(at / count);
		means[row] = (means[row] as number) + d / count;
	});
	const all = means.reduce((sum, mean) => sum + mean / count, 0);
	return distances.map((d, at) => d - (means[Math.floor(at / count)] as number) - (means[at % count] as number) + all);
}
