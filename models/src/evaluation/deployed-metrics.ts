import type { Tensor } from "@psgl/sdk";
import type { Dataset } from "@psgl/sdk/sources";
import { type DecisionMetrics, metricsOn } from "./decision-metrics.js";
import type { DeployedSystem } from "./deployed-system.js";

/** Metrics by stream, and of the decision as `fused`. */
export type RowMetrics = Readonly<Record<string, DecisionMetrics>>;

export interface DeployedMetricsOptions {
	/** False leaves the device's own map away. Default true. */
	readonly withMap?: boolean;
	readonly signal?: AbortSignal | undefined;
}

const batchSize = 128;

/** What every stream and the decision are worth on `data`, as deployed or without the device's map. */
export async function deployedMetrics(
	system: DeployedSystem,
	data: Dataset,
	{ withMap = true, signal }: DeployedMetricsOptions = {},
): Promise<RowMetrics> {
	const { rows, classes } = system;
	const scores = rows.map(() => new Float32Array(data.length * classes));
	for (let start = 0; start < data.length; start += batchSize) {
		signal?.throwIfAborted();
		const count = Math.min(batchSize, data.length - start);
		const { x } = data.batch(Array.from({ length: count }, (_, i) => start + i));
		collectRows(await system.scores(x, withMap), scores, start, classes);
	}
	return Object.fromEntries(rows.map((name, row) => [name, metricsOn(data, scores[row] as Float32Array)]));
}

/** Sorts scores [B,rows,K] into one [N,K] for each row. */
function collectRows(scores: Tensor<"float32">, target: readonly Float32Array[], start: number, classes: number): void {
	const [count = 0, rows = 0] = scores.dims;
	for (let b = 0; b < count; b++) {
		for (let row = 0; row < rows; row++) {
			const from = (b * rows + row) * classes;
			target[row]?.set(scores.data.subarray(from, from + classes), (start + b) * classes);
		}
	}
}
