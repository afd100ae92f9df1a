import { setImmediate } from "node:timers/promises";
import { decisionMetrics } from "@psgl/models";
import { isMultiLabel, type Manifest } from "@psgl/sdk/artifact";
import type { Validation } from "./events.js";

/**
 * Metrics of every stream and of the decision; undefined when there are no samples.
 * @param chunks [B,streams+1,K] probabilities of some samples each
 * @param labels class indices, or marks row by row where several labels may apply to a sample
 */
export async function measureDecisions(
	{ streams, classes, loss }: Pick<Manifest, "streams" | "classes" | "loss">,
	chunks: readonly Float32Array[],
	labels: readonly number[],
): Promise<Validation | undefined> {
	const several = isMultiLabel(loss);
	if (labels.length === 0) return undefined;
	const rows = [...streams, "fused"];
	const metrics: Record<string, Validation[string]> = {};
	for (const [row, name] of rows.entries()) {
		const scores = new Float32Array(several ? labels.length : labels.length * classes.length);
		let at = 0;
		for (const chunk of chunks) {
			for (let from = row * classes.length; from < chunk.length; from += rows.length * classes.length) {
				scores.set(chunk.subarray(from, from + classes.length), at);
				at += classes.length;
			}
		}
		metrics[name] = decisionMetrics(scores, labels, classes.length, several);
		// Messages of other devices between two sorts of all samples.
		await setImmediate();
	}
	return metrics;
}
