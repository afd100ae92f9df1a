import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { gramMatrix } from "./gram-matrix.js";
import { type Recovery, recoverMatrices } from "./recovery.js";
import type { RecoveryGradient } from "./recovery-gradient.js";
import { singularValueThresholding, type Thresholded } from "./singular-value-thresholding.js";
import { spectralRadius } from "./spectral-radius.js";

export interface RpcaRecoveryOptions {
	/** Accelerated proximal gradient steps. Default 12. */
	readonly iterations?: number;
	/** Weight of the sparse part over that of the low-rank part. Default 1/sqrt(max(C, places)). */
	readonly sparsity?: number;
	/** Share of the largest singular value to which the continuation lowers the weight of both. Default 0.03. */
	readonly floor?: number;
	/** Default `straight-through`. */
	readonly gradient?: RecoveryGradient;
}

/**
 * Start of the continuation (Lin et al. 2009), and the factor of each step: smaller than theirs, because twelve steps have to
 * reach the floor.
 */
const firstShare = 0.99;
const shareFactor = 0.6;

/**
 * Recovers smashed data [B,C,...] as the low-rank part of a robust principal component analysis, one matrix [C,
 * places] a sample: mu (norm_*(L) + lambda norm_1(E)) + 1/2 norm_F(S - L - E)^2 by accelerated proximal gradient with
 * mu lowered from step to step (Lin, Ganesh, Wright, Wu, Chen and Ma, "Fast convex optimization algorithms for exact
 * recovery of a corrupted low-rank matrix", 2009, algorithm 2).
 */
export function recoveryRpca(g: GraphBuilder, smashed: Value, options: RpcaRecoveryOptions = {}): Recovery {
	const { gradient = "straight-through" } = options;
	return recoverMatrices(g, smashed, gradient, (matrices) => lowRankPart(g, matrices, { ...options, gradient }));
}

function lowRankPart(
	g: GraphBuilder,
	data: Value,
	options: RpcaRecoveryOptions & { gradient: RecoveryGradient },
): Thresholded {
	const [, rows, columns] = data.shape as readonly [unknown, number, number];
	const { iterations = 12, sparsity = 1 / Math.sqrt(Math.max(rows, columns)), floor = 0.03, gradient } = options;
	const { norm, constants } = largestSingularValue(g, data);
	const kept = [...constants, norm];
	const half = g.scalar(0.5);

	// The momentum needs the two last iterates; both start at zero, so the first step sees the data alone.
	let lowRank: Value | undefined;
	let sparse: Value | undefined;
	let lowRankMomentum: Value | undefined;
	let sparseMomentum: Value | undefined;
	let share = firstShare;
	let age = 1;
	for (let k = 0; k < iterations; k++) {
		// From (Y_L, Y_E) a gradient step of length 1/2: Y_L - (Y_L + Y_E - S)/2 and the like.
		const difference = lowRankMomentum && sparseMomentum && g.add("Sub", [lowRankMomentum, sparseMomentum]);
		const towardLowRank = g.add("Mul", [difference ? g.add("Add", [data, difference]) : data, half]);
		const towardSparse = g.add("Mul", [difference ? g.add("Sub", [data, difference]) : data, half]);
		const value = g.add("Mul", [norm, g.scalar(share / 2)]);
		const thresholded = singularValueThresholding(g, towardLowRank, { value, smallest: share / 8 }, gradient);
		const nextSparse = softThreshold(g, towardSparse, g.add("Mul", [value, g.scalar(sparsity)]));
		kept.push(...thresholded.constants);

		const nextAge = (1 + Math.sqrt(1 + 4 * age * age)) / 2;
		const momentum = (age - 1) / nextAge;
		lowRankMomentum = withMomentum(g, thresholded.value, lowRank, momentum);
		sparseMomentum = withMomentum(g, nextSparse, sparse, momentum);
		lowRank = thresholded.value;
		sparse = nextSparse;
		age = nextAge;
		share = Math.max(shareFactor * share, floor);
	}
	return { value: lowRank ?? data, constants: kept };
}

/** Largest singular value [B,1,1] of matrices [B,m,n]. It sets the weights and counts as constant in the gradient. */
function largestSingularValue(g: GraphBuilder, matrices: Value): { norm: Value; constants: readonly Value[] } {
	const { radius, constants } = spectralRadius(g, gramMatrix(g, matrices).gram);
	return { norm: g.add("Sqrt", [radius]), constants };
}

/** sign(x) max(|x| - t, 0), the proximal map of t norm_1. */
function softThreshold(g: GraphBuilder, x: Value, t: Value): Value {
	return g.add("Sub", [g.add("Relu", [g.add("Sub", [x, t])]), g.add("Relu", [g.add("Neg", [g.add("Add", [x, t])])])]);
}

function withMomentum(g: GraphBuilder, next: Value, last: Value | undefined, momentum: number): Value {
	if (momentum === 0) return next;
	const step = last === undefined ? next : g.add("Sub", [next, last]);
	return g.add("Add", [next, g.add("Mul", [step, g.scalar(momentum)])]);
}
