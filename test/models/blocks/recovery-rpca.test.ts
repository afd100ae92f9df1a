import { differentiate, recoveryRpca, type Value } from "@psgl/models";
import { seededRandom, type Tensor } from "@psgl/sdk";
import test from "ava";
import { Matrix, SVD } from "ml-matrix";
import { largestDifference } from "../../helpers/largest-difference.js";
import { numbers } from "../../helpers/numbers.js";
import { runGraph } from "../../helpers/run-graph.js";

const channels = 12;
const places = 30;

/** Low-rank matrices [B,channels,5,6] with a few large values added. */
function corrupted(batch: number, seed: number): { low: Tensor<"float32">; data: Tensor<"float32"> } {
	const random = seededRandom(seed);
	const low = new Float32Array(batch * channels * places);
	const data = new Float32Array(low.length);
	for (let b = 0; b < batch; b++) {
		const u = Array.from({ length: channels * 2 }, () => random.normal());
		const v = Array.from({ length: places * 2 }, () => random.normal());
		for (let i = 0; i < channels * places; i++) {
			const [row, column] = [Math.floor(i / places), i % places];
			const at = b * channels * places + i;
			for (let k = 0; k < 2; k++) {
				low[at] = (low[at] as number) + (u[2 * row + k] as number) * (v[2 * column + k] as number);
			}
			data[at] = (low[at] as number) + (random.uniform() < 0.05 ? 6 * random.normal() : 0);
		}
	}
	const dims = [batch, channels, 5, 6];
	return { low: { dtype: "float32", dims, data: low }, data: { dtype: "float32", dims, data } };
}

function thresholded(matrix: Matrix, t: number): Matrix {
	const { leftSingularVectors: u, rightSingularVectors: v, diagonal } = new SVD(matrix, { autoTranspose: true });
	return u.mmul(Matrix.diag(diagonal.map((s) => Math.max(s - t, 0)))).mmul(v.transpose());
}

function asMatrix(data: ArrayLike<number>): Matrix {
	return Matrix.from1DArray(channels, places, Array.from(data));
}

function largestSingularValue(data: ArrayLike<number>): number {
	return new SVD(asMatrix(data), { autoTranspose: true }).norm2;
}

/** Algorithm 2 of Lin et al. 2009 in float64, with a decomposition in every step. */
function reference(data: ArrayLike<number>, norm = largestSingularValue(data)): Float64Array {
	const d = asMatrix(data);
	const lambda = 1 / Math.sqrt(places);
	let mu = 0.99 * norm;
	let [low, lastLow] = [Matrix.zeros(channels, places), Matrix.zeros(channels, places)];
	let [sparse, lastSparse] = [Matrix.zeros(channels, places), Matrix.zeros(channels, places)];
	let [age, lastAge] = [1, 1];
	for (let k = 0; k < 12; k++) {
		const momentum = (lastAge - 1) / age;
		const yLow = Matrix.add(low, Matrix.sub(low, lastLow).mul(momentum));
		const ySparse = Matrix.add(sparse, Matrix.sub(sparse, lastSparse).mul(momentum));
		const rest = Matrix.add(yLow, ySparse).sub(d).div(2);
		[lastLow, lastSparse] = [low, sparse];
		low = thresholded(Matrix.sub(yLow, rest), mu / 2);
		sparse = Matrix.sub(ySparse, rest).apply(function (this: Matrix, i: number, j: number) {
			const x = this.get(i, j);
			this.set(i, j, Math.sign(x) * Math.max(Math.abs(x) - (lambda * mu) / 2, 0));
		});
		[lastAge, age] = [age, (1 + Math.sqrt(1 + 4 * age * age)) / 2];
		mu = Math.max(0.6 * mu, 0.03 * norm);
	}
	return Float64Array.from(low.to1DArray());
}

async function recover(data: Tensor<"float32">, gradient: "exact" | "straight-through", arriving: Tensor<"float32">) {
	return runGraph(
		(g) => {
			const smashed = g.input("data", "float32", ["B", channels, 5, 6]);
			const { recovered: value, constants } = recoveryRpca(g, smashed, { gradient });
			const seed = { value, gradient: g.input("arriving", "float32", ["B", channels, 5, 6]) };
			g.output("recovered", value);
			g.output("back", differentiate(g, [seed], [smashed], constants)[0] as Value);
		},
		{ data, arriving },
	);
}

test("robust PCA agrees with a float64 reference and separates large single values", async (t) => {
	const { low, data } = corrupted(3, 2);
	const { recovered } = await recover(data, "straight-through", data);
	const expected = new Float32Array(data.data.length);
	for (let b = 0; b < 3; b++) {
		const part = [b * channels * places, (b + 1) * channels * places] as const;
		expected.set(reference(data.data.slice(...part)), part[0]);
	}
	t.true(largestDifference(recovered, { ...data, data: expected }) < 1e-4);
	const distance = (a: ArrayLike<number>) => Math.hypot(...low.data.map((x, i) => x - (a[i] as number)));
	t.true(distance(recovered?.data as Float32Array) < 0.5 * distance(data.data));
});

test("the gradient is straight through, or exact with the weights held constant", async (t) => {
	const { data } = corrupted(1, 3);
	const arriving = corrupted(1, 4).data;
	const straight = await recover(data, "straight-through", arriving);
	t.deepEqual(straight.back?.data, arriving.data);

	const exact = numbers((await recover(data, "exact", arriving)).back);
	const direction = corrupted(1, 9).data.data;
	const norm = largestSingularValue(data.data);
	const along = (step: number) => {
		const moved = Float64Array.from(data.data, (x, i) => x + step * (direction[i] as number));
		return reference(moved, norm).reduce((sum, x, i) => sum + x * (arriving.data[i] as number), 0);
	};
	const difference = (along(1e-5) - along(-1e-5)) / 2e-5;
	const product = exact.reduce((sum, x, i) => sum + x * (direction[i] as number), 0);
	t.true(Math.abs(product - difference) < 1e-3 * Math.abs(difference), `${product} and ${difference}`);
});

test("robust PCA of zeros is zero", async (t) => {
	const { data } = corrupted(1, 5);
	data.data.fill(0);
	for (const gradient of ["exact", "straight-through"] as const) {
		const out = await recover(data, gradient, corrupted(1, 6).data);
		t.true(out.recovered?.data.every((x) => x === 0));
		t.true(out.back?.data.every((x: number | bigint) => Number.isFinite(x)));
	}
});
