import { type MaskedRecoveryOptions, recoverMasked } from "@psgl/models";
import { type Random, scalar, seededRandom, type Tensor } from "@psgl/sdk";
import test from "ava";
import { Matrix, QrDecomposition, solve } from "ml-matrix";
import { largestDifference } from "../../helpers/largest-difference.js";
import { numbers } from "../../helpers/numbers.js";
import { runGraph } from "../../helpers/run-graph.js";

const shape = [8, 5, 5];
const size = 200;
const rank = 24;
const variance = 2e-3;

/** A prior with falling variances, and samples drawn from it. */
function drawn(random: Random, batch: number) {
	const noise = Matrix.from1DArray(size, rank, normals(random, size * rank));
	const basis = new QrDecomposition(noise).orthogonalMatrix;
	for (let j = 0; j < rank; j++) basis.mulColumn(j, 2 * 0.85 ** j);
	const mean = normals(random, size).map((x) => 0.3 + 0.2 * x);
	const data = new Float32Array(batch * size);
	for (let b = 0; b < batch; b++) {
		const image = basis.mmul(Matrix.columnVector(normals(random, rank))).to1DArray();
		for (let i = 0; i < size; i++) {
			data[b * size + i] = (mean[i] as number) + (image[i] as number) + Math.sqrt(variance) * random.normal();
		}
	}
	return { basis, mean, samples: tensor([batch, ...shape], data) };
}

function normals(random: Random, count: number): number[] {
	return Array.from({ length: count }, () => random.normal());
}

function tensor(dims: readonly number[], data: ArrayLike<number>): Tensor<"float32"> {
	return { dtype: "float32", dims, data: Float32Array.from(data) };
}

type Drawn = ReturnType<typeof drawn>;

function recover(prior: Drawn, mask: Tensor<"float32">, smashed: Tensor<"float32">, options?: MaskedRecoveryOptions) {
	return runGraph(
		(g) => {
			const data = {
				smashed: g.input("smashed", "float32", ["B", ...shape]),
				mask: g.input("mask", "float32", ["B", ...shape]),
				priorMean: g.input("mean", "float32", [size]),
				priorBasis: g.input("basis", "float32", [size, rank]),
				priorVariance: g.input("variance", "float32", []),
			};
			g.output("filled", recoverMasked(g, data, options));
		},
		{
			smashed,
			mask,
			mean: tensor([size], prior.mean),
			basis: tensor([size, rank], prior.basis.to1DArray()),
			variance: scalar(variance),
		},
	);
}

/** mu + B z of one sample by a direct solution of the normal equations in float64. */
function exactEstimate(prior: Drawn, values: Float32Array, mask: Float32Array): number[] {
	const arrived = Array.from(mask.keys()).filter((i) => mask[i] === 1);
	const seen = prior.basis.selection(
		arrived,
		Array.from({ length: rank }, (_, j) => j),
	);
	const right = Matrix.columnVector(arrived.map((i) => (values[i] as number) - (prior.mean[i] as number)));
	const system = seen
		.transpose()
		.mmul(seen)
		.add(Matrix.eye(rank, rank, variance));
	const z = solve(system, seen.transpose().mmul(right));
	return prior.basis
		.mmul(z)
		.to1DArray()
		.map((x, i) => x + (prior.mean[i] as number));
}

/** 1 where a value arrived: whole channels, or single values, are lost with this probability. */
function maskOf(random: Random, batch: number, lost: number, channels: boolean): Tensor<"float32"> {
	const data = new Float32Array(batch * size);
	const run = channels ? 25 : 1;
	for (let i = 0; i < data.length; i += run) if (random.uniform() >= lost) data.fill(1, i, i + run);
	return tensor([batch, ...shape], data);
}

for (const [lost, tolerance] of [
	[0.25, 1e-4],
	[0.5, 1e-4],
	[0.75, 2e-2],
] as const) {
	for (const channels of [true, false]) {
		const what = channels ? "channels" : "values";
		test(`masked recovery with ${100 * lost} % of the ${what} lost agrees with a direct solution`, async (t) => {
			const random = seededRandom(1);
			const prior = drawn(random, 6);
			const mask = maskOf(random, 6, lost, channels);
			const { filled } = await recover(prior, mask, prior.samples, { nonNegative: false });
			let squares = 0;
			let spread = 0;
			for (let b = 0; b < 6; b++) {
				const part = [b * size, (b + 1) * size] as const;
				const values = prior.samples.data.slice(...part);
				const there = mask.data.slice(...part);
				for (const [i, exact] of exactEstimate(prior, values, there).entries()) {
					const got = filled?.data[b * size + i] as number;
					if (there[i] === 1) t.is(got, values[i] as number);
					else {
						t.true(Math.abs(got - exact) < tolerance, `sample ${b}, value ${i}: ${got} and ${exact}`);
						squares += (got - (values[i] as number)) ** 2;
						spread += ((values[i] as number) - (prior.mean[i] as number)) ** 2;
					}
				}
			}
			if (lost <= 0.5) t.true(squares < 0.35 * spread, `${squares} of ${spread}`);
		});
	}
}

test("with nothing missing masked recovery is the identity, bit by bit", async (t) => {
	const random = seededRandom(2);
	const prior = drawn(random, 3);
	const { filled } = await recover(prior, maskOf(random, 3, 0, true), prior.samples);
	t.deepEqual(filled?.data, prior.samples.data);
});

test("with everything missing the mean is the estimate", async (t) => {
	const random = seededRandom(3);
	const prior = drawn(random, 1);
	const { filled } = await recover(prior, maskOf(random, 1, 2, true), prior.samples, { nonNegative: false });
	t.true(largestDifference(filled, tensor([1, ...shape], prior.mean)) < 1e-6);
});

test("what lies where nothing arrived does not matter, not even NaN", async (t) => {
	const random = seededRandom(4);
	const prior = drawn(random, 2);
	const mask = maskOf(random, 2, 0.5, true);
	const other = prior.samples.data.map((x, i) => (mask.data[i] === 1 ? x : Number.NaN));
	const clean = await recover(prior, mask, prior.samples);
	const dirty = await recover(prior, mask, { ...prior.samples, data: other });
	t.deepEqual(dirty.filled?.data, clean.filled?.data);
});

test("estimates of rectified data are not negative, what arrived stays as it is", async (t) => {
	const random = seededRandom(5);
	const prior = drawn(random, 4);
	const mask = maskOf(random, 4, 0.5, true);
	const free = numbers((await recover(prior, mask, prior.samples, { nonNegative: false })).filled);
	const cut = numbers((await recover(prior, mask, prior.samples)).filled);
	t.true(free.some((x, i) => mask.data[i] === 0 && x < 0));
	t.deepEqual(
		cut,
		free.map((x, i) => (mask.data[i] === 0 ? Math.max(x, 0) : x)),
	);
});

test("a sample's estimate does not depend on the others in its batch", async (t) => {
	const random = seededRandom(6);
	const prior = drawn(random, 3);
	const mask = maskOf(random, 3, 0.5, true);
	const together = numbers((await recover(prior, mask, prior.samples)).filled).slice(size, 2 * size);
	const one = (whole: Tensor<"float32">) => tensor([1, ...shape], whole.data.slice(size, 2 * size));
	const alone = numbers((await recover(prior, one(mask), one(prior.samples))).filled);
	t.true(together.every((x, i) => Math.abs(x - (alone[i] as number)) < 1e-5));
});
