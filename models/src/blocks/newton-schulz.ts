import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { type QuinticStep, signPolynomials } from "./sign-polynomials.js";

/**
 * Sign of symmetric matrices [B,m,m] by Newton-Schulz iterations of order five with the best coefficients
 * (`signPolynomials`): eigenvalues in [lower, 1] become 1, those in [-1, -lower] become -1, those nearer to zero
 * something in between. No eigenvalue may be beyond 1 in size.
 * @param tolerance of the polynomials. Where the result is to be differentiated, the square of what its value needs: a
 * polynomial within 1e-6 of one still swings so fast that its slope reaches 150, and one more step flattens it.
 */
export function matrixSign(g: GraphBuilder, matrix: Value, lower: number, tolerance: number): Value {
	const size = matrix.shape[2] as number;
	const steps = scaledSteps(signPolynomials(lower, tolerance));
	let x = g.add("Mul", [matrix, g.scalar(steps.scale)]);
	for (const step of steps.steps) x = g.add("MatMul", [x, quadratic(g, g.add("MatMul", [x, x]), size, step)]);
	return x;
}

/** `scale` times `root` is the inverse square root. The factor is left to the caller, who has one of his own. */
export interface ScaledRoot {
	readonly root: Value;
	readonly scale: number;
}

/**
 * Inverse square root of symmetric positive definite matrices [B,m,m] with eigenvalues in [lower^2, 1], by the coupled
 * Newton-Schulz iteration (Higham, "Functions of Matrices", section 6.7), of order five with the best coefficients:
 * Y -> A^(1/2), Z -> A^(-1/2), stable because each step starts from the product ZY of what is there. Smaller positive
 * eigenvalues come out too small, but finite.
 * @param matrix builds the matrix multiplied by the number it is given, so that this costs nothing.
 * @param tolerance as in `matrixSign`.
 */
export function inverseSquareRoot(
	g: GraphBuilder,
	matrix: (factor: number) => Value,
	lower: number,
	tolerance: number,
): ScaledRoot {
	const { steps, scale } = scaledSteps(signPolynomials(lower, tolerance));
	let y = matrix(scale * scale);
	const size = y.shape[2] as number;
	let z: Value | undefined;
	steps.forEach((step, i) => {
		const q = quadratic(g, z === undefined ? y : g.add("MatMul", [z, y]), size, step);
		z = z === undefined ? q : g.add("MatMul", [q, z]);
		if (i + 1 < steps.length) y = g.add("MatMul", [y, q]);
	});
	return { root: z as Value, scale };
}

/** One step in a scaled variable: x <- x ((x^2 + shift)^2 + offset). */
interface ScaledStep {
	readonly shift: number;
	readonly offset: number;
}

/**
 * Completes the square, x (a + b x^2 + c x^4) = c x ((x^2 + b/2c)^2 + a/c - b^2/4c^2), and keeps s_k x_k with
 * s_k = (c_k s_(k+1))^(1/5) instead of x_k, which removes the factor c: a step is three products and two sums, whereas
 * multiplying by the coefficients would take three passes over the matrices more.
 */
function scaledSteps(polynomials: readonly QuinticStep[]): { steps: readonly ScaledStep[]; scale: number } {
	const steps: ScaledStep[] = [];
	let scale = 1;
	for (const { a, b, c } of polynomials.toReversed()) {
		scale = (c * scale) ** 0.2;
		const shift = b / (2 * c);
		steps.push({ shift: shift * scale ** 2, offset: (a / c - shift * shift) * scale ** 4 });
	}
	return { steps: steps.reverse(), scale };
}

/** (square + shift I)^2 + offset I. */
function quadratic(g: GraphBuilder, square: Value, size: number, { shift, offset }: ScaledStep): Value {
	const shifted = g.add("Add", [square, multipleOfIdentity(g, size, shift)]);
	return g.add("Add", [g.add("MatMul", [shifted, shifted]), multipleOfIdentity(g, size, offset)]);
}

/** `factor` times the identity, [1,size,size]. */
export function multipleOfIdentity(g: GraphBuilder, size: number, factor: number): Value {
	const values = new Float32Array(size * size);
	for (let i = 0; i < size; i++) values[i * (size + 1)] = factor;
	return g.floats(values, [1, size, size]);
}
