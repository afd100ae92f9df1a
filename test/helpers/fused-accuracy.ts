import type { DeployedSystem } from "@psgl/models";
import type { Tensor } from "@psgl/sdk";

/** Largest score of one row of [B,rows,K] scores, sample by sample. */
export function decisions(scores: Tensor, row: number): number[] {
	const [samples, rows, classes] = scores.dims as [number, number, number];
	const data = scores.data as Float32Array;
	return Array.from({ length: samples }, (_, b) => {
		const from = (b * rows + row) * classes;
		const own = data.subarray(from, from + classes);
		return own.indexOf(Math.max(...own));
	});
}

/** Share of pictures [B,C,...] whose fused decision is their label. */
export async function fusedAccuracy(
	system: DeployedSystem,
	x: Tensor<"float32">,
	labels: ArrayLike<number>,
): Promise<number> {
	const decided = decisions(await system.scores(x), system.rows.length - 1);
	return decided.filter((decision, b) => decision === labels[b]).length / decided.length;
}
