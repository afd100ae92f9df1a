import type { Tensor } from "@psgl/sdk";

/**
 * Weights and bias a linear operator had, from its input and output, by least squares: the golden vectors of the
 * convolutions do not hold them. There are several times as many outputs as weights, so a forward pass that is wrong
 * leaves a residual.
 *
 * @param forward the operator on the golden input
 * @param filterAxis axis of the weights along which filters are independent of each other
 */
export async function recoverWeights(
	forward: (weight: Tensor, bias: Tensor) => Promise<Tensor>,
	out: Tensor,
	weightDims: readonly number[],
	filterAxis: 0 | 1,
): Promise<{ weight: Tensor<"float32">; bias: Tensor<"float32"> }> {
	const filters = out.dims[1] as number;
	const zeroBias: Tensor = { dtype: "float32", dims: [filters], data: new Float32Array(filters) };
	const count = weightDims.reduce((a, b) => a * b, 1);
	const indices = unknowns(weightDims, filterAxis);
	const columns: Float32Array[] = [];
	for (const ofFilters of indices) {
		const data = new Float32Array(count);
		for (const index of ofFilters) data[index] = 1;
		const result = await forward({ dtype: "float32", dims: weightDims, data }, zeroBias);
		columns.push(result.data as Float32Array);
	}
	columns.push(new Float32Array(out.data.length).fill(1));
	const weight = new Float32Array(count);
	const bias = new Float32Array(filters);
	const places = out.data.length / (out.dims[0] as number) / filters;
	for (let m = 0; m < filters; m++) {
		const rows = (data: ArrayLike<number>) =>
			Array.from({ length: (out.dims[0] as number) * places }, (_, r) => {
				const sample = Math.floor(r / places);
				return data[(sample * filters + m) * places + (r % places)] as number;
			});
		const solution = leastSquares(columns.map(rows), rows(out.data as Float32Array));
		indices.forEach((ofFilters, j) => {
			weight[ofFilters[m] as number] = solution[j] as number;
		});
		bias[m] = solution.at(-1) as number;
	}
	return {
		weight: { dtype: "float32", dims: weightDims, data: weight },
		bias: { dtype: "float32", dims: [filters], data: bias },
	};
}

/** For each unknown of one filter, its index in the weights of every filter. */
function unknowns(dims: readonly number[], filterAxis: 0 | 1): number[][] {
	const [first, second] = dims as [number, number];
	const rest = dims.slice(2).reduce((a, b) => a * b, 1);
	const others = filterAxis === 0 ? second : first;
	const filters = filterAxis === 0 ? first : second;
	return Array.from({ length: others * rest }, (_, j) => {
		const [other, k] = [Math.floor(j / rest), j % rest];
		return Array.from(
			{ length: filters },
			(_, m) => (filterAxis === 0 ? m * second + other : other * second + m) * rest + k,
		);
	});
}

/** Solves the normal equations in float64 by Gauss-Jordan elimination with pivoting. */
function leastSquares(columns: readonly (readonly number[])[], target: readonly number[]): number[] {
	const inner = (a: readonly number[], b: readonly number[]) =>
		a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
	const n = columns.length;
	const rows = columns.map((a) => [...columns.map((b) => inner(a, b)), inner(a, target)]);
	for (let i = 0; i < n; i++) {
		let best = i;
		for (let r = i + 1; r < n; r++)
			if (Math.abs(rows[r]?.[i] as number) > Math.abs(rows[best]?.[i] as number)) best = r;
		const pivot = rows[best] as number[];
		rows[best] = rows[i] as number[];
		rows[i] = pivot.map((value) => value / (pivot[i] as number));
		for (let r = 0; r < n; r++) {
			if (r === i) continue;
			const factor = rows[r]?.[i] as number;
			rows[r] = (rows[r] as number[]).map((value, c) => value - factor * (rows[i]?.[c] as number));
		}
	}
	return rows.map((row) => row[n] as number);
}
