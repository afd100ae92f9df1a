import { int, ints } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";

/** What masked recovery works on. D = C*H*W. The prior is fitted on complete smashed data by `fitMaskedPrior`. */
export interface MaskedSmashedData {
	/** S [B,C,...]. */
	readonly smashed: Value;
	/** Of the shape of `smashed`: 1 where a value arrived, 0 where not. What is under a 0 does not matter. */
	readonly mask: Value;
	/** mu [D]. */
	readonly priorMean: Value;
	/** B [D,r]: principal directions times the standard deviation the prior gives them. */
	readonly priorBasis: Value;
	/** s2 []: variance of each value outside the basis. Above zero. */
	readonly priorVariance: Value;
}

export interface MaskedRecoveryOptions {
	/**
	 * Conjugate gradient steps. Default 20: with a prior of rank 96 fitted on smashed pictures this is within 2e-7 of
	 * the solution where half of the channels are missing and within 5e-5 where three quarters are.
	 */
	readonly iterations?: number;
	/**
	 * Whether smashed data cannot be negative (it ends in a rectifier), so that estimates are cut off at zero.
	 * Default true.
	 */
	readonly nonNegative?: boolean;
}

const tiny = 1e-30;

/**
 * Fills what was lost of smashed data [B,C,...] by its most probable value under the prior: with P what arrived, z =
 * argmin norm(P(S - mu - B z))^2/(2 s2) + norm(z)^2/2 and the estimate mu + B z. This is the proximal map of the
 * prior's negative logarithm. What arrived is returned as it is, bit by bit, so with nothing missing this is the
 * identity.
 *
 * The normal equations (s2 I + B^T P B) z = B^T P (S - mu) are solved for each sample by conjugate gradients
 * preconditioned by their diagonal. The columns of B are orthogonal, so the matrix is diagonal where nothing is
 * missing and the fewer values are missing the fewer steps it takes.
 */
export function recoverMasked(g: GraphBuilder, data: MaskedSmashedData, options: MaskedRecoveryOptions = {}): Value {
	const { iterations = 20, nonNegative = true } = options;
	const { smashed, mask, priorMean: mean, priorBasis: basis, priorVariance: variance } = data;
	const extents = smashed.shape.slice(1) as readonly number[];
	const count = extents.reduce((product, extent) => product * extent, 1);
	const flat = (v: Value) => g.add("Reshape", [v, g.ints([0, count])]);
	const arrived = flat(mask);
	const basisTransposed = g.add("Transpose", [basis], { perm: ints([1, 0]) });
	const isThere = g.add("Greater", [mask, g.scalar(0)]);
	const seen = g.add("Sub", [flat(smashed), mean]);
	const masked = g.add("Where", [flat(isThere), seen, g.scalar(0)]);

	const apply = (z: Value) => {
		const image = g.add("Mul", [arrived, g.add("MatMul", [z, basisTransposed])]);
		return g.add("Add", [g.add("MatMul", [image, basis]), g.add("Mul", [z, variance])]);
	};
	const squares = g.add("MatMul", [arrived, g.add("Mul", [basis, basis])]);
	const diagonal = g.add("Add", [squares, variance]);
	const z = conjugateGradients(g, apply, g.add("MatMul", [masked, basis]), diagonal, iterations);

	const guess = g.add("Add", [g.add("MatMul", [z, basisTransposed]), mean]);
	const estimate = g.add("Reshape", [nonNegative ? g.add("Relu", [guess]) : guess, g.ints([0, ...extents])]);
	return g.add("Where", [isThere, smashed, estimate]);
}

/**
 * Preconditioned conjugate gradients (Hestenes and Stiefel 1952) on one system a sample, from zero.
 * @param apply multiplies [B,r] by the systems' matrices.
 * @param diagonal [B,r] of the matrices.
 */
function conjugateGradients(
	g: GraphBuilder,
	apply: (z: Value) => Value,
	right: Value,
	diagonal: Value,
	iterations: number,
): Value {
	const dot = (a: Value, b: Value) => g.add("ReduceSum", [g.add("Mul", [a, b]), g.ints([1])], { keepdims: int(1) });
	// A sample that has converged exactly has 0/0 here, which has to be a step of zero.
	const ratio = (a: Value, b: Value) => g.add("Div", [a, g.add("Max", [b, g.scalar(tiny)])]);
	let residual = right;
	let preconditioned = g.add("Div", [residual, diagonal]);
	let direction = preconditioned;
	let product = dot(residual, preconditioned);
	let solution: Value | undefined;
	for (let k = 0; k < iterations; k++) {
		const applied = apply(direction);
		const length = ratio(product, dot(direction, applied));
		const step = g.add("Mul", [direction, length]);
		solution = solution === undefined ? step : g.add("Add", [solution, step]);
		residual = g.add("Sub", [residual, g.add("Mul", [applied, length])]);
		preconditioned = g.add("Div", [residual, diagonal]);
		const next = dot(residual, preconditioned);
		direction = g.add("Add", [preconditioned, g.add("Mul", [direction, ratio(next, product)])]);
		product = next;
	}
	return solution ?? preconditioned;
}
