import { fitMaskedPrior } from "@psgl/models";
import { seededRandom, type Tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { Matrix, SVD } from "ml-matrix";

/** Samples [count,size] whose variances fall by `decay` from direction to direction. */
function samples(count: number, size: number, decay: number, seed = 1): Tensor<"float32"> {
	const random = seededRandom(seed);
	const normals = (n: number) => Array.from({ length: n }, () => random.normal());
	const directions = Matrix.from1DArray(size, size, normals(size * size));
	const scores = Matrix.from1DArray(count, size, normals(count * size));
	for (let j = 0; j < size; j++) scores.mulColumn(j, decay ** j);
	const data = scores.mmul(directions.transpose()).add(0.5);
	return { dtype: "float32", dims: [count, size], data: Float32Array.from(data.to1DArray()) };
}

/** The same by a full decomposition in float64. */
function reference({ dims, data }: Tensor<"float32">, rank: number) {
	const [count, size] = dims as [number, number];
	const matrix = Matrix.from1DArray(count, size, Array.from(data)).center("column");
	const { diagonal, rightSingularVectors: v } = new SVD(matrix, { autoTranspose: true });
	const eigenvalues = diagonal.map((s) => s ** 2 / (count - 1));
	const variance = eigenvalues.slice(rank).reduce((a, b) => a + b, 0) / (size - rank);
	const basis = v.subMatrix(0, size - 1, 0, rank - 1);
	for (let j = 0; j < rank; j++) basis.mulColumn(j, Math.sqrt((eigenvalues[j] as number) - variance));
	return { variance, basis };
}

function asMatrix(basis: Tensor<"float32">): Matrix {
	const [rows, columns] = basis.dims as [number, number];
	return Matrix.from1DArray(rows, columns, Array.from(basis.data));
}

for (const decay of [0.9, 0.98]) {
	test(`the prior agrees with a full decomposition, variances falling by ${decay}`, async (t) => {
		const data = samples(300, 80, decay);
		const prior = await fitMaskedPrior(nodeRuntime, data, { rank: 12 });
		const expected = reference(data, 12);
		t.true(Math.abs(prior.variance / expected.variance - 1) < 1e-2);
		// B B^T, which has no signs to choose, is the covariance the prior gives the samples.
		const covariance = (basis: Matrix) => basis.mmul(basis.transpose());
		const wanted = covariance(expected.basis);
		const error = Matrix.sub(covariance(asMatrix(prior.basis)), wanted).norm() / wanted.norm();
		t.true(error < 1e-2, `${error}`);
		const gram = asMatrix(prior.basis).transpose().mmul(asMatrix(prior.basis));
		for (let j = 1; j < 12; j++) t.true(Math.abs(gram.get(0, j)) < 1e-4 * gram.get(0, 0));
	});
}

test("the same seed gives the same prior", async (t) => {
	const data = samples(40, 30, 0.9);
	const [first, second] = [
		await fitMaskedPrior(nodeRuntime, data, { rank: 5 }),
		await fitMaskedPrior(nodeRuntime, data, { rank: 5 }),
	];
	t.deepEqual(second, first);
});

test("directions too few samples cannot tell are zero", async (t) => {
	const { basis, variance } = await fitMaskedPrior(nodeRuntime, samples(6, 30, 0.9), { rank: 10 });
	t.deepEqual(basis.dims, [30, 10]);
	const norms = Array.from({ length: 10 }, (_, j) => asMatrix(basis).getColumnVector(j).norm());
	t.true(norms.slice(0, 4).every((norm) => norm > 0.1) && norms.slice(4).every((norm) => norm === 0));
	t.true(variance > 0);
});

test("the rank stays below the number of values", async (t) => {
	const { basis } = await fitMaskedPrior(nodeRuntime, samples(40, 6, 0.9), { rank: 96 });
	t.deepEqual(basis.dims, [6, 5]);
});

test("samples of any shape are flattened, and equal ones give a proper prior", async (t) => {
	const data = new Float32Array(5 * 12).fill(0.25);
	const prior = await fitMaskedPrior(nodeRuntime, { dtype: "float32", dims: [5, 3, 2, 2], data }, { rank: 2 });
	t.deepEqual(prior.mean.data, new Float32Array(12).fill(0.25));
	t.true(prior.variance > 0 && prior.basis.data.every((x) => Number.isFinite(x)));
});

test("too few samples, a rank that is none, and an abort are refused", async (t) => {
	const data = samples(40, 6, 0.9);
	await t.throwsAsync(fitMaskedPrior(nodeRuntime, { ...data, dims: [2, 6], data: data.data.slice(0, 12) }), {
		code: "PSGL_PRIOR_SAMPLES",
	});
	await t.throwsAsync(fitMaskedPrior(nodeRuntime, data, { rank: 0 }), { code: "PSGL_PRIOR_RANK" });
	const reason = new Error("stopped");
	await t.throwsAsync(fitMaskedPrior(nodeRuntime, data, { signal: AbortSignal.abort(reason) }), { is: reason });
});
