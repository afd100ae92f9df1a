import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { gramMatrix } from "./gram-matrix.js";
import { inverseSquareRoot, matrixSign, multipleOfIdentity } from "./newton-schulz.js";
import type { RecoveryGradient } from "./recovery-gradient.js";
import { spectralRadius } from "./spectral-radius.js";

/**
 * How large a threshold is: a number, a share of each matrix's largest singular value, or a value [B,1,1] with the
 * smallest share of the Frobenius norm it is going to have.
 */
export type Threshold =
	| { readonly absolute: number }
	| { readonly relative: number }
	| { readonly value: Value; readonly smallest: number };

export interface Thresholded {
	/** Same shape as what went in. */
	readonly value: Value;
	/** To be handed to `differentiate`, which must not go through them. */
	readonly constants: readonly Value[];
}

/**
 * Eigenvalues of the Gram matrix are known to about this share of the largest, squared: float32 holds no more.
 * Smaller thresholds are made with this one and scaled; a singular value below 1e-3 of the largest may then be wrong by
 * a quarter of that.
 */
const resolution = 1e-3;

/** Share of the largest eigenvalue below which the distance of an eigenvalue to the threshold is not resolved. */
const signResolution = 1e-6;

/**
 * What steps of a longer iteration can do with, in units of the smallest share: results are within 3e-5 of the largest
 * singular value.
 */
const coarseSignResolution = 2e-4;

/** Of the polynomials; what is to be differentiated needs the square. */
const tolerances = { "straight-through": 1e-6, exact: 1e-12 } as const;

/** Room for rounding above the largest eigenvalue: beyond 1 the iterations leave their interval and diverge. */
const margin = 1.01;

const tiny = 1e-30;

/**
 * Singular-value thresholding of matrices [B,m,n], the proximal map of t times the nuclear norm (Cai, Candes and Shen,
 * SIAM J. Optim. 20(4), 2010): each singular value s becomes max(s - t, 0). Without a decomposition: for G = S S^T
 * (S^T S where that is smaller) it is (I - t max(G, t^2)^(-1/2)) S, with max(G, t^2) = (G + t^2 + |G - t^2|)/2 and
 * |X| = X sign(X). Written so, nothing is discontinuous at the threshold and the inverse root is taken of a matrix
 * with known bounds. One matrix never influences another. Zero matrices give zero.
 * @param gradient `exact` when the result is to be differentiated, which takes a little longer.
 * @param part `residual`: what thresholding takes away, min(s, t) in each singular value
 */
export function singularValueThresholding(
	g: GraphBuilder,
	matrices: Value,
	threshold: Threshold,
	gradient: RecoveryGradient,
	part: "low-rank" | "residual" = "low-rank",
): Thresholded {
	const { gram, size, rows } = gramMatrix(g, matrices);
	const { taken, constants } = singularValueWeights(g, gram, size, threshold, tolerances[gradient]);
	const weight = part === "residual" ? taken : g.add("Sub", [multipleOfIdentity(g, size, 1), taken]);
	return { value: g.add("MatMul", rows ? [weight, matrices] : [matrices, weight]), constants };
}

/** t max(G, t^2)^(-1/2), [B,size,size]. */
function singularValueWeights(g: GraphBuilder, gram: Value, size: number, threshold: Threshold, tolerance: number) {
	const { t, squared, bound, lower, signLower, constants } = thresholdAndBounds(g, gram, threshold);
	const half = g.add("Max", [g.add("Sub", [bound, squared]), squared]);
	const radius = g.add("Mul", [g.add("Max", [half, g.scalar(tiny)]), g.scalar(margin)]);
	const top = g.add("Mul", [g.add("Max", [bound, g.add("Max", [squared, g.scalar(tiny)])]), g.scalar(margin)]);
	const identity = multipleOfIdentity(g, size, 1);

	const distance = g.add("Div", [g.add("Sub", [gram, g.add("Mul", [identity, squared])]), radius]);
	const sign = matrixSign(g, distance, signLower, tolerance);
	const twiceAbove = g.add("Add", [distance, g.add("MatMul", [distance, sign])]);
	const { root, scale } = inverseSquareRoot(
		g,
		(factor) => {
			const above = g.add("Mul", [twiceAbove, g.add("Div", [g.add("Mul", [radius, g.scalar(factor / 2)]), top])]);
			const below = g.add("Div", [g.add("Mul", [squared, g.scalar(factor)]), top]);
			return g.add("Add", [above, g.add("Mul", [identity, below])]);
		},
		lower,
		tolerance,
	);
	const shrink = g.add("Div", [g.add("Mul", [t, g.scalar(scale)]), g.add("Sqrt", [top])]);
	// The result does not depend on radius and top: they only scale what is scaled back afterwards.
	return { taken: g.add("Mul", [root, shrink]), constants: [...constants, radius, top] };
}

/**
 * The threshold t, the square of what the matrix is thresholded with (t, or more where float32 cannot resolve t), an
 * upper bound of the largest eigenvalue, all [B,1,1] or [], a lower bound of t over its root, and how near to the
 * threshold signs have to be told apart.
 */
function thresholdAndBounds(g: GraphBuilder, gram: Value, threshold: Threshold) {
	if ("relative" in threshold) {
		const { radius, constants } = spectralRadius(g, gram);
		const resolved = Math.max(threshold.relative, resolution);
		return {
			t: g.add("Mul", [g.add("Sqrt", [g.add("Max", [radius, g.scalar(tiny)])]), g.scalar(threshold.relative)]),
			squared: g.add("Mul", [radius, g.scalar(resolved ** 2)]),
			bound: radius,
			lower: Math.min(resolved / margin, 0.99),
			signLower: signResolution,
			constants,
		};
	}
	// The Frobenius norm of the Gram matrix bounds its largest eigenvalue, and costs next to nothing.
	const norm = g.add("ReduceL2", [gram, g.ints([1, 2])], { keepdims: int(1) });
	const bound = g.add("Max", [norm, g.scalar(Math.sqrt(tiny))]);
	const unresolved = g.add("Mul", [bound, g.scalar(resolution ** 2)]);
	const [t, smallest] =
		"value" in threshold ? [threshold.value, threshold.smallest] : [g.scalar(threshold.absolute), resolution];
	return {
		t,
		squared: g.add("Max", [g.add("Mul", [t, t]), unresolved]),
		bound,
		lower: Math.max(smallest, resolution) / margin,
		signLower: Math.max(signResolution, "value" in threshold ? coarseSignResolution * smallest : 0),
		constants: [bound],
	};
}
