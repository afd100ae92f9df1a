import { ConfigError, DataError, type Runtime, type Session, seededRandom, type Tensor } from "@psgl/sdk";
import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { ints } from "../graph/attribute.js";
import { GraphBuilder } from "../graph/builder.js";
import type { Shape, Value } from "../graph/graph.js";
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
 * first r eigenvectors of the covariance, each times sqrt(eigenvalue - s2), and s2 the mean of the eigenvalues that
 * are left. The eigenvectors come from randomised subspace iteration (Halko, Martinsson and Tropp, SIAM Review 53(2),
 * 2011, algorithm 4.4), whose large products run in `runtime`. The same seed gives the same prior.
 *
 * @param samples [n,D] or [n,C,...], complete.
 * @throws DataError `PSGL_PRIOR_SAMPLES` for fewer than three samples; ConfigError `PSGL_PRIOR_RANK` for a rank below
 * one.
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
	const random = seededRandom(seed).fork("masked-prior");
	let directions: Float32Array = Float32Array.from({ length: width * size }, () => random.normal());
	let { scores, gram } = await products.forward(centred, directions);
	for (let k = 0; k < subspaceIterations; k++) {
		signal?.throwIfAborted();
		directions = orthonormalRows(await products.backward(centred, scores), width, size);
		({ scores, gram } = await products.forward(centred, directions));
	}
	// Rayleigh-Ritz: the best eigenvectors within the subspace.
	const { values, vectors } = largestEigenvectors(gram, width, rank);
	const eigenvalues = values.map((value) => value / (count - 1));
	const explained = eigenvalues.reduce((sum, value) => sum + value, 0);
	const variance = Math.max(total - explained, 0) / (size - rank) + leastVariance;
	const basis = new Float32Array(size * columns);
	eigenvalues.forEach((value, j) => {
		const deviation = Math.sqrt(Math.max(value - variance, leastVariance));
		for (let d = 0; d < width; d++) {
			const weight = deviation * vectors.get(d, j);
			for (let i = 0; i < size; i++) {
				const at = i * columns + j;
				basis[at] = (basis[at] as number) + weight * (directions[d * size + i] as number);
			}
		}
	});
	return {
		mean: { dtype: "float32", dims: [size], data: mean },
		basis: { dtype: "float32", dims: [size, columns], data: basis },
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

/** The large products of subspace iteration. Directions are rows [w,D], scores are columns [n,w]. */
async function openProducts(runtime: Runtime, count: number, size: number) {
	const transposed = (g: GraphBuilder, matrix: Value) => g.add("Transpose", [matrix], { perm: ints([1, 0]) });
	const load = (name: string, operand: Shape, build: (g: GraphBuilder, x: Value, operand: Value) => void) => {
		const g = new GraphBuilder(name);
		build(g, g.input("x", "float32", [count, size]), g.input("operand", "float32", operand));
		return runtime.load(encodeModel(g.build()));
	};
	const forward = await load("prior/forward", ["w", size], (g, x, directions) => {
		const scores = g.output("scores", g.add("MatMul", [x, transposed(g, directions)]));
		g.output("gram", g.add("MatMul", [transposed(g, scores), scores]));
	});
	const backward = await load("prior/backward", [count, "w"], (g, x, scores) => {
		g.output("directions", g.add("MatMul", [transposed(g, scores), x]));
	});
	const run = async (session: Session, x: Float32Array, operand: Float32Array, dims: readonly number[]) =>
		(await session.run({
			x: { dtype: "float32", dims: [count, size], data: x },
			operand: { dtype: "float32", dims, data: operand },
		})) as Record<string, Tensor<"float32">>;
	return {
		/** Scores X Q^T and their Gram matrix [w,w]. */
		async forward(x: Float32Array, directions: Float32Array) {
			const out = await run(forward, x, directions, [directions.length / size, size]);
			return { scores: out.scores?.data as Float32Array, gram: out.gram?.data as Float32Array };
		},
		/** Directions Y^T X. */
		async backward(x: Float32Array, scores: Float32Array) {
			return (await run(backward, x, scores, [count, scores.length / count])).directions?.data as Float32Array;
		},
		async [Symbol.asyncDispose]() {
			await forward.close();
			await backward.close();
		},
	};
}

/**
 * Orthonormal rows that span the same space, by Gram-Schmidt with every projection done twice, which is enough for
 * full precision (Giraud, Langou and Rozloznik, Computers and Mathematics with Applications 50, 2005). Loops over
 * rows are several times faster here than a general QR decomposition. Rows that depend on others become small noise
 * or zeros.
 */
function orthonormalRows(matrix: Float32Array, count: number, size: number): Float32Array {
	const rows = Float64Array.from(matrix);
	for (let r = 0; r < count; r++) {
		const row = rows.subarray(r * size, (r + 1) * size);
		scale(row, 1 / (norm(row) || 1));
		for (let pass = 0; pass < 2; pass++) {
			for (let s = 0; s < r; s++) {
				const other = rows.subarray(s * size, (s + 1) * size);
				const projection = dot(row, other);
				for (let i = 0; i < size; i++) row[i] = (row[i] as number) - projection * (other[i] as number);
			}
			scale(row, 1 / (norm(row) || 1));
		}
	}
	return Float32Array.from(rows);
}

function dot(a: Float64Array, b: Float64Array): number {
	let sum = 0;
	for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
	return sum;
}

function norm(a: Float64Array): number {
	return Math.sqrt(dot(a, a));
}

function scale(a: Float64Array, factor: number): void {
	for (let i = 0; i < a.length; i++) a[i] = (a[i] as number) * factor;
}

/** The largest `count` eigenvalues of a symmetric matrix, falling, and their vectors as columns. */
function largestEigenvectors(symmetric: Float32Array, size: number, count: number) {
	const matrix = Matrix.from1DArray(size, size, Array.from(symmetric));
	const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(matrix, { assumeSymmetric: true });
	const order = realEigenvalues
		.map((_, i) => i)
		.sort((a, b) => (realEigenvalues[b] as number) - (realEigenvalues[a] as number))
		.slice(0, count);
	return {
		values: order.map((i) => realEigenvalues[i] as number),
		vectors: eigenvectorMatrix.subMatrixColumn(order),
	};
}
