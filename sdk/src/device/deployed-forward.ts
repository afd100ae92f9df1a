import { scalar, type Tensor } from "../tensor.js";
import type { ClientModel } from "./enrolment.js";

/** What the client segment makes of a batch as deployed: running statistics, and the device's own map. */
export interface DeployedOutputs {
	/** Smashed data [B,Cs,...]. */
	readonly smashed: Tensor<"float32">;
	/** Probabilities of the local head [B,K]; each by itself where several labels may apply to a sample. */
	readonly localScores: Tensor<"float32">;
}

/** Runs the client segment on samples [B, ...shape]. */
export async function deployedForward(model: ClientModel, x: Tensor<"float32">): Promise<DeployedOutputs> {
	const feeds = { ...model.state.feeds(), x, budget: scalar(model.welcome.mapBudget) };
	const { smashed, localScores } = await model.segment.run("client/infer", feeds);
	return { smashed: smashed as Tensor<"float32">, localScores: localScores as Tensor<"float32"> };
}

/** Index of the largest of `classes` scores in each row of the last axis. */
export function decide(scores: Float32Array, classes: number): Int32Array {
	const decisions = new Int32Array(scores.length / classes);
	for (let row = 0; row < decisions.length; row++) {
		const from = row * classes;
		let best = 0;
		for (let k = 1; k < classes; k++) {
			if ((scores[from + k] as number) > (scores[from + best] as number)) best = k;
		}
		decisions[row] = best;
	}
	return decisions;
}

/** 1 where a label applies, [B*K]: where it is more likely than not. */
export function applying(scores: Float32Array): Uint8Array {
	return Uint8Array.from(scores, (probability) => (probability > 0.5 ? 1 : 0));
}

/**
 * How many samples of a batch were decided rightly. Where several labels may apply to a sample, each sample counts by the
 * share of its labels that were.
 * @param y [B] class indices or [B,K] marks
 */
export function countRight(scores: Float32Array, y: Tensor<"int64">, classes: number): number {
	const several = y.dims.length === 2;
	const decisions = several ? applying(scores) : decide(scores, classes);
	let right = 0;
	for (const [i, decision] of decisions.entries()) if (BigInt(decision) === y.data[i]) right++;
	return several ? right / classes : right;
}
