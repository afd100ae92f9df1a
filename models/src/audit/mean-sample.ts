import type { Tensor } from "@psgl/sdk";

/** The mean of samples [N,...], flat. */
export function meanSample(samples: Tensor<"float32">): Float32Array {
	const count = samples.dims[0] as number;
	const size = samples.data.length / count;
	const sum = new Float64Array(size);
	samples.data.forEach((value, at) => {
		sum[at % size] = (sum[at % size] as number) + value;
	});
	return Float32Array.from(sum, (value) => value / count);
}
