import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { type Recovery, recoverMatrices } from "./recovery.js";
import type { RecoveryGradient } from "./recovery-gradient.js";
import { singularValueThresholding } from "./singular-value-thresholding.js";

export interface SvtRecoveryOptions {
	/** Weight of the nuclear norm. Singular values below it vanish, the others shrink by it. */
	readonly threshold: number;
	/** Whether the threshold is a share of each matrix's largest singular value (default), or a number. */
	readonly relative?: boolean;
	/** What counts as recovered: the low-rank part (default), or what it leaves over. */
	readonly part?: "low-rank" | "residual";
	/** Default `straight-through`. */
	readonly gradient?: RecoveryGradient;
	/** Step of the proximal gradient, in (0, 1]. Default 1, which is there after one iteration. */
	readonly step?: number;
	/** Iterations of the proximal gradient. Default 1. */
	readonly iterations?: number;
}

/**
 * Recovers smashed data [B,C,...] by proximal gradient on t norm_*(L) + 1/2 norm_F(S - L)^2 from L = 0, one matrix
 * [C, places] a sample (Khowaja et al. 2023).
 *
 * All iterates share the singular vectors of S, so in each singular value k iterations of step a make
 * (1 - (1 - a)^k) max(s - t, 0), and one singular-value thresholding does for any number of them.
 */
export function recoverySvt(g: GraphBuilder, smashed: Value, options: SvtRecoveryOptions): Recovery {
	const { threshold, relative = true, part = "low-rank", gradient = "straight-through" } = options;
	const { step = 1, iterations = 1 } = options;
	const reached = 1 - (1 - step) ** iterations;
	return recoverMatrices(g, smashed, gradient, (matrices) => {
		const size = relative ? { relative: threshold } : { absolute: threshold };
		if (reached === 1) return singularValueThresholding(g, matrices, size, gradient, part);
		const { value, constants } = singularValueThresholding(g, matrices, size, gradient);
		const lowRank = g.add("Mul", [value, g.scalar(reached)]);
		return { value: part === "low-rank" ? lowRank : g.add("Sub", [matrices, lowRank]), constants };
	});
}
