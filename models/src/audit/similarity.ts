import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { signalCorrelation } from "./signal-correlation.js";
import { similarityWindow, structuralSimilarity } from "./structural-similarity.js";

/** How alike an original and its reconstruction are, 1 for equal ones: SSIM of pictures, correlation of signals. */
export type SimilarityKind = "ssim" | "correlation";

/** The similarity for samples [C,H,W] or [C,L]; pictures smaller than the window of SSIM are compared by correlation. */
export function similarityKind(shape: readonly number[]): SimilarityKind {
	return shape.length === 3 && Math.min(...shape.slice(1)) >= similarityWindow ? "ssim" : "correlation";
}

/** Similarity of each sample of a and b [B,...shape] -> [B]. */
export function similarity(g: GraphBuilder, a: Value, b: Value, shape: readonly number[]): Value {
	return similarityKind(shape) === "ssim" ? structuralSimilarity(g, a, b) : signalCorrelation(g, a, b);
}
