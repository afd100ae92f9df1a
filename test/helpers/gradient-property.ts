import { type Random, seededRandom, type Tensor } from "@psgl/sdk";
import fc from "fast-check";
import { type BuildOperator, gradientErrors, type Inputs, normalTensor } from "./operator-gradients.js";

/** One drawn instance of an operator. */
export interface DrawnOperator {
	readonly inputs: Inputs;
	readonly build: BuildOperator;
	/** Inputs whose first axis is a batch of unknown size. */
	readonly batched?: readonly string[];
}

export interface GradientPropertyOptions {
	/** Instances drawn. */
	readonly runs: number;
	/** How far the finite differences reach. Default 0.01; larger for operators that are linear in each input. */
	readonly step?: number;
	/** Largest error relative to the size of the gradients. Default 2e-3. */
	readonly tolerance?: number;
	/** Whether the gradients are differentiated again. Default true. */
	readonly second?: boolean;
}

/**
 * Asserts that first and second derivatives of operators drawn by fast-check agree with finite differences. The seed is
 * fixed: every run of the tests draws the same instances.
 */
export async function gradientProperty<T>(
	settings: fc.Arbitrary<T>,
	instance: (settings: T, random: Random) => DrawnOperator,
	{ runs, step = 1e-2, tolerance = 2e-3, second = true }: GradientPropertyOptions,
): Promise<void> {
	const property = fc.asyncProperty(settings, fc.nat(), async (drawn, seed) => {
		const random = seededRandom(seed);
		const { inputs, build, batched = [] } = instance(drawn, random);
		const errors = await gradientErrors(inputs, build, { random, step, batched });
		if (!(errors.first < tolerance)) throw new Error(`first derivative off by ${errors.first}`);
		if (second && !(errors.second < tolerance)) throw new Error(`second derivative off by ${errors.second}`);
	});
	await fc.assert(property, { seed: 20, numRuns: runs, endOnFailure: true });
}

/** Standard normal values, none nearer than 0.1 to a kink. */
export function smoothTensor(random: Random, dims: readonly number[], kinks: readonly number[]): Tensor<"float32"> {
	const values = normalTensor(random, dims);
	values.data.forEach((value, i) => {
		const kink = kinks.find((k) => Math.abs(value - k) < 0.1);
		if (kink !== undefined) values.data[i] = kink + (value < kink ? -0.1 : 0.1);
	});
	return values;
}

/** Values between 0.5 and about 4. */
export function positiveTensor(random: Random, dims: readonly number[]): Tensor<"float32"> {
	const values = normalTensor(random, dims);
	values.data.forEach((value, i) => {
		values.data[i] = 0.5 + Math.abs(value);
	});
	return values;
}

/** Shapes of one to four axes with at most 6 elements along each. */
export const smallShape: fc.Arbitrary<number[]> = fc.array(fc.integer({ min: 1, max: 5 }), {
	minLength: 1,
	maxLength: 4,
});

/** Shapes that broadcast to `shape`: leading axes left out, others 1 where `ones` says so. */
export const broadcastTo = (shape: readonly number[], skip: number, ones: readonly boolean[]): number[] =>
	shape.map((d, i) => (ones[i % Math.max(ones.length, 1)] === true ? 1 : d)).slice(Math.min(skip, shape.length));
