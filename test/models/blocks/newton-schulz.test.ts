import {
	type GraphBuilder,
	inverseSquareRoot,
	matrixSign,
	signPolynomials,
	spectralRadius,
	type Value,
} from "@psgl/models";
import { seededRandom, type Tensor } from "@psgl/sdk";
import test from "ava";
import { EigenvalueDecomposition, Matrix, QrDecomposition } from "ml-matrix";
import { largestDifference } from "../../helpers/largest-difference.js";
import { numbers } from "../../helpers/numbers.js";
import { runGraph } from "../../helpers/run-graph.js";

/** A symmetric matrix [1,m,m] with these eigenvalues and random eigenvectors, and f of it. */
function symmetric(eigenvalues: readonly number[], f: (x: number) => number = (x) => x, seed = 1): Tensor<"float32"> {
	const size = eigenvalues.length;
	const random = seededRandom(seed);
	const noise = Matrix.from1DArray(
		size,
		size,
		Array.from({ length: size * size }, () => random.normal()),
	);
	const q = new QrDecomposition(noise).orthogonalMatrix;
	const values = q.mmul(Matrix.diag(eigenvalues.map(f))).mmul(q.transpose());
	return { dtype: "float32", dims: [1, size, size], data: Float32Array.from(values.to1DArray()) };
}

for (const lower of [0.9, 0.1, 1e-3, 1e-6]) {
	test(`the polynomials take [${lower},1] to one`, (t) => {
		const steps = signPolynomials(lower, 1e-6);
		for (let i = 0; i <= 1000; i++) {
			const x = lower ** (i / 1000);
			const image = steps.reduce((v, { a, b, c }) => v * (a + b * v ** 2 + c * v ** 4), x);
			t.true(Math.abs(image - 1) < 1e-5, `${x} becomes ${image}`);
		}
	});
}

test("a sharper polynomial takes few more steps", (t) => {
	t.deepEqual(
		[0.1, 1e-3, 1e-6].map((lower) => signPolynomials(lower, 1e-6).length),
		[4, 7, 12],
	);
});

test("sign of a symmetric matrix, with eigenvalues near, at and far from zero and repeated ones", async (t) => {
	const eigenvalues = [1, 1, 0.3, 0.01, 1e-4, -1e-4, -0.2, -0.2, -0.99];
	const { sign } = await runGraph(
		(g) => {
			g.output("sign", matrixSign(g, g.input("a", "float32", ["B", 9, 9]), 1e-6, 1e-6));
		},
		{ a: symmetric(eigenvalues) },
	);
	// An eigenvalue of 1e-4 is only known to 1e-7 in float32, and its eigenvector to 1e-3.
	t.true(largestDifference(sign, symmetric(eigenvalues, Math.sign)) < 3e-3);
	const apart = [1, 0.5, 0.1, -0.1, -1];
	const clear = await runGraph(
		(g) => {
			g.output("sign", matrixSign(g, g.input("a", "float32", ["B", 5, 5]), 1e-6, 1e-6));
		},
		{ a: symmetric(apart) },
	);
	t.true(largestDifference(clear.sign, symmetric(apart, Math.sign)) < 5e-6);
});

test("inverse square root of a positive definite matrix", async (t) => {
	const eigenvalues = [1, 0.8, 0.8, 0.3, 0.1, 0.05];
	const { root } = await runGraph(
		(g: GraphBuilder) => {
			const a = g.input("a", "float32", ["B", 6, 6]);
			const scaled = (factor: number): Value => g.add("Mul", [a, g.scalar(factor)]);
			const { root: unscaled, scale } = inverseSquareRoot(g, scaled, 0.2, 1e-6);
			g.output("root", g.add("Mul", [unscaled, g.scalar(scale)]));
		},
		{ a: symmetric(eigenvalues) },
	);
	t.true(
		largestDifference(
			root,
			symmetric(eigenvalues, (x) => 1 / Math.sqrt(x)),
		) < 1e-5,
	);
});

test("largest eigenvalue, well apart, repeated, and almost repeated", async (t) => {
	const spectra = [
		[7, 3, 1, 0],
		[2, 2, 2, 2],
		[1e-6, 0.999e-6, 0.5e-6, 0],
		[5000, 4990, 1, 0.1],
		[0, 0, 0, 0],
	];
	for (const [i, spectrum] of spectra.entries()) {
		const a = symmetric(spectrum, undefined, i);
		const { radius } = await runGraph(
			(g) => {
				g.output("radius", spectralRadius(g, g.input("a", "float32", ["B", 4, 4])).radius);
			},
			{ a },
		);
		const size = spectrum[0] as number;
		const error = Math.abs((numbers(radius)[0] as number) - size);
		t.true(error <= 1e-4 * size, `${spectrum}: ${numbers(radius)}`);
	}
});

test("the largest eigenvalue of a random Gram matrix", async (t) => {
	const random = seededRandom(5);
	const noise = Matrix.from1DArray(
		32,
		60,
		Array.from({ length: 1920 }, () => random.normal()),
	);
	const gram = noise.mmul(noise.transpose());
	const { radius } = await runGraph(
		(g) => {
			g.output("radius", spectralRadius(g, g.input("a", "float32", ["B", 32, 32])).radius);
		},
		{ a: { dtype: "float32", dims: [1, 32, 32], data: Float32Array.from(gram.to1DArray()) } },
	);
	const expected = Math.max(...new EigenvalueDecomposition(gram).realEigenvalues);
	t.true(Math.abs((numbers(radius)[0] as number) / expected - 1) < 1e-5);
});
