import type { Tensor } from "@psgl/sdk";

type Real = Tensor<"float32">;

/** Values that vary less than this do not vary. */
const leastDeviation = 1e-3;

/** Brings each value of smashed data to mean 0 and deviation 1, by what it is over the attacker's pairs [N,...]. */
export function standardiser(pairs: Real): (smashed: Real) => Real {
	const count = pairs.dims[0] as number;
	const size = pairs.data.length / count;
	const mean = new Float64Array(size);
	const deviation = new Float64Array(size);
	pairs.data.forEach((value, at) => {
		mean[at % size] = (mean[at % size] as number) + value / count;
	});
	pairs.data.forEach((value, at) => {
		const difference = value - (mean[at % size] as number);
		deviation[at % size] = (deviation[at % size] as number) + (difference * difference) / count;
	});
	const scale = deviation.map((variance) => 1 / Math.max(Math.sqrt(variance), leastDeviation));
	return (smashed) => ({
		...smashed,
		data: smashed.data.map((value, at) => (value - (mean[at % size] as number)) * (scale[at % size] as number)),
	});
}
