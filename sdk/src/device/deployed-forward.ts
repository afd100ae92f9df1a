import { scalar, type Tensor } from "../tensor.js";
import type { ClientModel } from "./enrolment.js";

/** What the client segment makes of a batch as deployed: running statistics, and the device's own map. */
export interface DeployedOutputs {
	/** Smashed data [B,Cs,...]. */
	readonly smashed: Tensor<"float32">;
	/** Probabilities of the local head [B,K]. */
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
