import { differentiate, type GraphBuilder, recoverySvt, type SvtRecoveryOptions, type Value } from "@psgl/models";
import { elementCount, seededRandom, type Tensor, zeros } from "@psgl/sdk";
import test from "ava";
import * as fc from "fast-check";
import { Matrix, QrDecomposition, SVD } from "ml-matrix";
import { goldenVectors } from "../../helpers/golden.js";
import { largestDifference } from "../../helpers/largest-difference.js";
import { runGraph } from "../../helpers/run-graph.js";
import { withShared } from "../../helpers/shared.js";

/** Cases of svt.npz, and how many of them come with a gradient. */
const cases = 11;
const casesWithGradient = 8;

/** [m,n] as one sample, [B,m,n] as it is. */
function asBatch(t: Tensor<"float32">): Tensor<"float32"> {
	return t.dims.length === 3 ? t : { ...t, dims: [1, ...t.dims] };
}

function batchOf(shape: readonly number[]): readonly (number | string)[] {
	return ["B", ...shape.slice(1)];
}

async function recovered(s: Tensor<"float32">, options: SvtRecoveryOptions, gradient?: Tensor<"float32">) {
	return runGraph(
		(g: GraphBuilder) => {
			const smashed = g.input("s", "float32", batchOf(s.dims));
			const { recovered: value, constants } = recoverySvt(g, smashed, options);
			g.output("recovered", value);
			if (gradient === undefined) return;
			const arriving = g.input("gradient", "float32", batchOf(s.dims));
			const [back] = differentiate(g, [{ value, gradient: arriving }], [smashed], constants);
			g.output("back", back as Value);
		},
		gradient === undefined ? { s } : { s, gradient },
	);
}

withShared("singular-value thresholding agrees with LAPACK", async (t) => {
	const vectors = await goldenVectors("svt");
	for (let i = 0; i < cases; i++) {
		const threshold = vectors(`attr_tau_${i}`).data[0] as number;
		const out = await recovered(asBatch(vectors(`in_${i}`)), { threshold, relative: false });
		const error = largestDifference(out.recovered, vectors(`out_${i}`));
		t.true(error < 1e-5, `case ${i}: ${error}`);
	}
});

withShared("the exact gradient of singular-value thresholding agrees with the adjoint", async (t) => {
	const vectors = await goldenVectors("svt");
	for (let i = 0; i < casesWithGradient; i++) {
		const options = { threshold: vectors(`attr_tau_${i}`).data[0] as number, relative: false } as const;
		const gradient = asBatch(vectors(`in_gout_${i}`));
		const out = await recovered(asBatch(vectors(`in_${i}`)), { ...options, gradient: "exact" }, gradient);
		const error = largestDifference(out.back, vectors(`g_in_${i}`));
		t.true(error < 1e-4, `case ${i}: ${error}`);
	}
});

withShared("proximal gradient agrees with the iterates and their exact gradient", async (t) => {
	const vectors = await goldenVectors("prox");
	const settings = vectors("attr_weight_step_iters").data;
	for (const [row, name] of ["closed", "iter10", "third"].entries()) {
		const [threshold, step, iterations] = settings.subarray(3 * row) as unknown as [number, number, number];
		for (const [part, short] of [
			["low-rank", "lowrank"],
			["residual", "residual"],
		] as const) {
			const options = { threshold, step, iterations, part, relative: false, gradient: "exact" } as const;
			const out = await recovered(vectors("in_s"), options, vectors("in_gout"));
			const error = largestDifference(out.recovered, vectors(`out_sample_${name}_${short}`));
			t.true(error < 1e-5, `${name} ${short}: ${error}`);
			if (name !== "closed") continue;
			const gradientError = largestDifference(out.back, vectors(`g_s_exact_${short}`));
			t.true(gradientError < 1e-4, `${short}: ${gradientError}`);
		}
	}
});

/** Singular-value thresholding of each sample by a float64 decomposition. */
function bySvd(s: Tensor<"float32">, share: number): Tensor<"float32"> {
	const [batch, rows, columns] = s.dims as [number, number, number];
	const data = new Float32Array(s.data.length);
	const size = rows * columns;
	for (let b = 0; b < batch; b++) {
		const matrix = Array.from({ length: rows }, (_, i) =>
			Array.from(s.data.subarray(b * size + i * columns, b * size + (i + 1) * columns)),
		);
		const { leftSingularVectors: u, rightSingularVectors: v, diagonal } = new SVD(matrix, { autoTranspose: true });
		const t = share * (diagonal[0] as number);
		for (let k = 0; k < diagonal.length; k++) {
			const value = Math.max((diagonal[k] as number) - t, 0);
			for (let i = 0; i < rows; i++) {
				for (let j = 0; j < columns; j++) {
					const index = b * size + i * columns + j;
					data[index] = (data[index] as number) + value * u.get(i, k) * v.get(j, k);
				}
			}
		}
	}
	return { dtype: "float32", dims: s.dims, data };
}

function rectifiedNoise(dims: readonly number[], seed: number): Tensor<"float32"> {
	const random = seededRandom(seed);
	const data = Float32Array.from({ length: elementCount(dims) }, () => Math.max(random.normal(), 0));
	return { dtype: "float32", dims, data };
}

for (const share of [0.02, 0.1, 0.2, 0.5, 1, 3]) {
	test(`a threshold of ${share} of the largest singular value agrees with a float64 decomposition`, async (t) => {
		for (const dims of [
			[3, 32, 196],
			[2, 40, 9],
		]) {
			const s = rectifiedNoise(dims, 7);
			const out = await recovered(s, { threshold: share });
			t.true(largestDifference(out.recovered, bySvd(s, share)) < 2e-5, dims.join());
		}
	});
}

test("the exact gradient of a relative threshold agrees with finite differences", async (t) => {
	const s = rectifiedNoise([1, 6, 10], 3);
	const gradient = rectifiedNoise([1, 6, 10], 4);
	const options = { threshold: 0.25, gradient: "exact" } as const;
	const { back } = await recovered(s, options, gradient);
	const value = (data: Float32Array) => {
		const { data: r } = bySvd({ ...s, data }, 0.25);
		return r.reduce((sum, x, i) => sum + x * (gradient.data[i] as number), 0);
	};
	const step = 1e-2;
	for (let i = 0; i < s.data.length; i += 7) {
		const up = s.data.slice();
		up[i] = (up[i] as number) + step;
		const down = s.data.slice();
		down[i] = (down[i] as number) - step;
		const difference = ((value(up) - value(down)) / ((up[i] as number) - (down[i] as number))) as number;
		t.true(Math.abs(difference - (back?.data[i] as number)) < 2e-3, `${i}: ${difference} ${back?.data[i]}`);
	}
});

for (const part of ["low-rank", "residual"] as const) {
	test(`straight-through recovery of the ${part} part has the gradient of the identity`, async (t) => {
		const s = rectifiedNoise([2, 4, 3, 3], 1);
		const gradient = rectifiedNoise([2, 4, 3, 3], 2);
		const out = await recovered(s, { threshold: 0.3, part }, gradient);
		t.deepEqual(out.back?.data, gradient.data);
	});
}

test("a sample's recovery does not depend on the others in its batch", async (t) => {
	const s = rectifiedNoise([4, 8, 20], 5);
	s.data.fill(0, 0, 160);
	s.data.subarray(160, 320).forEach((x, i, part) => {
		part[i] = 1e4 * x;
	});
	const together = await recovered(s, { threshold: 0.2 });
	const alone = await recovered({ ...s, dims: [1, 8, 20], data: s.data.slice(320, 480) }, { threshold: 0.2 });
	t.deepEqual(together.recovered?.data.slice(320, 480), alone.recovered?.data);
	t.true(together.recovered?.data.slice(0, 160).every((x) => x === 0));
});

for (const relative of [true, false]) {
	test(`nothing but zeros stays zero, relative ${relative}, with a gradient without NaN`, async (t) => {
		const s = zeros("float32", [2, 5, 9]);
		for (const threshold of [0, 0.5]) {
			const options = { threshold, relative, gradient: "exact" } as const;
			const out = await recovered(s, options, rectifiedNoise([2, 5, 9], 6));
			t.true(out.recovered?.data.every((x) => x === 0));
			t.true(out.back?.data.every((x: number | bigint) => Number.isFinite(x)));
		}
	});

	test(`a threshold of zero changes nothing, relative ${relative}`, async (t) => {
		const s = rectifiedNoise([2, 5, 9], 8);
		const out = await recovered(s, { threshold: 0, relative });
		t.true(largestDifference(out.recovered, s) < 1e-6);
	});
}

/** Matrices [1,m,n] with these singular values and random singular vectors. */
function withSingularValues(values: readonly number[], columns: number, seed: number): Tensor<"float32"> {
	const random = seededRandom(seed);
	const orthonormal = (rows: number) => {
		const noise = Array.from({ length: rows * values.length }, () => random.normal());
		return new QrDecomposition(Matrix.from1DArray(rows, values.length, noise)).orthogonalMatrix;
	};
	const matrix = orthonormal(values.length)
		.mmul(Matrix.diag([...values]))
		.mmul(orthonormal(columns).transpose());
	return { dtype: "float32", dims: [1, values.length, columns], data: Float32Array.from(matrix.to1DArray()) };
}

test("whatever the singular values, the error stays under 1e-3 of the largest", async (t) => {
	const exponent = fc.double({ min: -5, max: 0, noNaN: true });
	const property = fc.asyncProperty(
		fc.array(exponent, { minLength: 2, maxLength: 12 }),
		fc.double({ min: -4, max: 0.3, noNaN: true }),
		fc.double({ min: -4, max: 4, noNaN: true }),
		fc.boolean(),
		async (exponents, thresholdExponent, sizeExponent, relative) => {
			const size = 10 ** sizeExponent;
			const values = [size, ...exponents.map((e) => size * 10 ** e)];
			const s = withSingularValues(values, values.length + 3, exponents.length);
			const share = 10 ** thresholdExponent;
			const out = await recovered(s, { threshold: relative ? share : share * size, relative });
			const error = largestDifference(out.recovered, bySvd(s, share));
			// Thresholds that float32 can tell apart from zero are met two orders of magnitude better.
			return error < (share > 1e-2 ? 1e-5 : 1e-3) * size;
		},
	);
	await t.notThrowsAsync(fc.assert(property, { numRuns: 40, seed: 1 }));
});

for (const share of [0.003, 0.01, 0.03, 0.2, 0.5]) {
	test(`singular values next to a threshold of ${share} of the largest are told from it`, async (t) => {
		const distances = [0, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3];
		const values = [1, ...distances.flatMap((d) => [share * (1 + d), share * (1 - d)])];
		const size = values.length;
		const s = zeros("float32", [1, size, size]);
		values.forEach((value, i) => {
			s.data[i * (size + 1)] = value;
		});
		const expected = { ...s, data: s.data.map((value) => Math.max(value - share, 0)) };
		for (const relative of [true, false]) {
			for (const gradient of ["straight-through", "exact"] as const) {
				const out = await recovered(s, { threshold: share, relative, gradient });
				t.true(largestDifference(out.recovered, expected) < Math.min(1e-7 / share, 2e-5));
			}
		}
	});
}
