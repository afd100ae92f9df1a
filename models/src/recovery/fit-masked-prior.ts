import { ConfigError, DataError, type Random, type Runtime, type Session, seededRandom, type Tensor } from "@psgl/sdk";
import { EigenvalueDecomposition, Matrix, QrDecomposition } from "ml-matrix";
import { GraphBuilder } from "../graph/builder.js";
import { encodeModel } from "../onnx/write.js";

export interface MaskedPriorOptions {
	/** Columns of the basis, at most D - 1. Default 96. */
	readonly rank?: number;
	/** Default 0. */
	readonly seed?: number;
	readonly signal?: AbortSignal | undefined;
}

/** Linear-Gaussian prior S = mean + basis z + noise, z standard normal, for `recoverMasked`. */
export interface MaskedPrior {
	/** [D]. */
	readonly mean: Tensor<"float32">;
	/** [D,rank], columns orthogonal. Columns beyond what the samples can tell are zero. */
	readonly basis: Tensor<"float32">;
	/** Variance of the noise of each value. */
	readonly variance: number;
}

const defaultRank = 96;
/** Directions looked for beyond those that are kept; they make those kept converge faster. */
const oversampling = 16;
const subspaceIterations = 6;
/** Keeps the prior proper where the samples lie in the basis exactly. */
const leastVariance = 1e-8;

/**
 * Probabilistic principal component analysis (Tipping and Bishop, JRSS B 61(3), 1999) of complete smashed data: the
 * first r eigenvectors of the covariance, each times sqrt(eigenvalue - s2), and s2 the mean of the eigenvalues that are left. The
 * eigenvectors come from randomised subspace iteration (Halko, Martinsson and Tropp, SIAM Review 53(2), 2011, algorithm 4.4),
 * whose large products run in `runtime`. The same seed gives the same prior.
 *
 * @param samples [n,D] or [n,C,...], complete.
 * @throws DataError `PSGL_PRIOR_SAMPLES` for fewer than three samples; ConfigError `PSGL_PRIOR_RANK` for a rank below one.
 */
export async function fitMaskedPrior(
	runtime: Runtime,
	samples: Tensor<"float32">,
	options: MaskedPriorOptions = {},
): Promise<MaskedPrior> {
	const { seed = 0, signal } = options;
	const count = samples.dims[0] as number;
	const size = samples.data.length / Math.max(count, 1);
	const columns = checkedRank(options.rank ?? defaultRank, count, size);
	const rank = Math.min(columns, count - 2);
	const { mean, centred, variance: total } = centre(samples.data, count, size);
	await using products = await openProducts(runtime, count, size);

	const width = Math.min(rank + oversampling, count - 1, size);
	let directions = randomMatrix(seededRandom(seed).fork("masked-prior"), size, width);
	let scores = await products.forward(centred, directions);
	for (let k = 0; k < subspaceIterations; k++) {
		signal?.throwIfAborted();
		directions = orthonormal(await products.backward(centred, scores));
		scores = await products.forward(centred, directions);
	}
	// Rayleigh-Ritz: the best eigenvectors within the subspace.
	const { values, vectors } = largestEigenvectors(
		scores
			.transpose()
			.mmul(scores)
			.div(count - 1),
		rank,
	);
	const explained = values.reduce((sum, value) => sum + value, 0);
	const variance = Math.max(total - explained, 0) / (size - rank) + leastVariance;
	const basis = Matrix.zeros(size, columns);
	basis.setSubMatrix(directions.mmul(vectors), 0, 0);
	values.forEach((value, j) => {
		basis.mulColumn(j, Math.sqrt(Math.max(value - variance, leastVariance)));
	});
	return {
		mean: { dtype: "float32", dims: [size], data: mean },
		basis: { dtype: "float32", dims: [size, columns], data: flatten(basis) },
		variance,
	};
}

function checkedRank(rank: number, count: number, size: number): number {
	if (count < 3) {
		throw new DataError("PSGL_PRIOR_SAMPLES", {
			what: "too few samples to fit a prior for masked recovery",
			got: `${count}`,
			expected: "at least 3",
			remedy: "Fit it after more batches have arrived",
		});
	}
	if (!(Number.isInteger(rank) && rank >= 1)) {
		throw new ConfigError("PSGL_PRIOR_RANK", {
			what: "the rank of the prior for masked recovery cannot be used",
			got: `${rank}`,
			expected: "an integer of at least 1",
		});
	}
	return Math.min(rank, size - 1);
}

/** Mean [D], samples without it [n,D], and the sum of the variances of all values. */
function centre(data: Float32Array, count: number, size: number) {
	const sums = new Float64Array(size);
	for (let i = 0; i < count; i++)
		for (let j = 0; j < size; j++) sums[j] = (sums[j] as number) + (data[i * size + j] as number);
	const mean = Float32Array.from(sums, (sum) => sum / count);
	const centred = new Float32Array(count * size);
	let squares = 0;
	for (let i = 0; i < count; i++) {
		for (let j = 0; j < size; j++) {
			const value = (data[i * size + j] as number) - (mean[j] as number);
			centred[i * size + j] = value;
			squares += value * value;
		}
	}
	return { mean, centred, variance: squares / (count - 1) };
}

/** The products of subspace iteration, X Q and X^T Y, in one session each. */
async function openProducts(runtime: Runtime, count: number, size: number) {
	const forward = await load(runtime, "prior-forward", [count, size], false);
	const backward = await load(runtime, "prior-backward", [count, size], true);
	const run = async (session: Session, x: Float32Array, other: Matrix): Promise<Matrix> => {
		const { product } = (await session.run({
			x: { dtype: "float32", dims: [count, size], data: x },
			other: { dtype: "float32", dims: [other.rows, other.columns], data: flatten(other) },
		})) as Record<"product", Tensor<"float32">>;
		const [rows, columns] = product.dims as readonly [number, number];
		return Matrix.from1DArray(rows, columns, Array.from(product.data));
	};
	return {
		forward: (x: Float32Array, directions: Matrix) => run(forward, x, directions),
		backward: (x: Float32Array, scores: Matrix) => run(backward, x, scores),
		async [Symbol.asyncDispose]() {
			await forward.close();
			await backward.close();
		},
	};
}

async function load(runtime: Runtime, name: string, dims: readonly [number, number], transposed: boolean) {
	const g = new GraphBuilder(name);
	const x = g.input("x", "float32", dims);
	const other = g.input("other", "float32", [dims[transposed ? 0 : 1], "r"]);
	g.output("product", g.add("MatMul", [transposed ? g.add("Transpose", [x]) : x, other]));
	return runtime.load(encodeModel(g.build()));
}

function randomMatrix(random: Random, rows: number, columns: number): Matrix {
	return Matrix.from1DArray(
		rows,
		columns,
		Array.from({ length: rows * columns }, () => random.normal()),
	);
}

function orthonormal(matrix: Matrix): Matrix {
	return new QrDecomposition(matrix).orthogonalMatrix;
}

/** The largest `count` eigenvalues of a symmetric matrix, falling, and their vectors as columns. */
function largestEigenvectors(symmetric: Matrix, count: number): { values: readonly number[]; vectors: Matrix } {
	const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(symmetric, { assumeSymmetric: true });
	const order = realEigenvalues
		.map((_, i) => i)
		.sort((a, b) => (realEigenvalues[b] as number) - (realEigenvalues[a] as number));
	const kept = order.slice(0, count);
	return {
		values: kept.map((i) => realEigenvalues[i] as number),
		vectors: eigenvectorMatrix.subMatrixColumn(kept),
	};
}

function flatten(matrix: Matrix): Float32Array {
	return Float32Array.from(matrix.to1DArray());
}
