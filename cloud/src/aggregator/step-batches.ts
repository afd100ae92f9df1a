import { type Tensor, type Tensors, zeros } from "@psgl/sdk";
import type { Manifest } from "@psgl/sdk/artifact";
import { concatenateBatches, concatenateLabels, scaled, splitRows, streamLosses } from "./batch-tensors.js";

type Vector = Tensor<"float32">;

/** One device's part of a server step. */
export interface DeviceBatch {
	/** [B,Cs,...] */
	readonly smashed: Vector;
	/** [B] class indices, or [B,K] marks where several labels may apply to a sample; undefined where they stay on the device. */
	readonly labels?: Tensor<"int64"> | undefined;
	/** [B,streams,F] from the device's tail, of the mean loss of its own batch; without either, a batch only adds to the statistics. */
	readonly featureGradient?: Vector | undefined;
}

/** What one device gets from a server step. */
export interface DeviceResult {
	/** Gradient of the mean loss of the device's own batch, shape of its smashed data. */
	readonly cutGradient: Vector;
	/** Cross-entropy of each stream on the device's batch; none where the labels stay on the device. */
	readonly losses: readonly number[];
}

/** What a step learns from: labels of the batches, or the gradients from the devices' tails as that of the mean over all samples that have one. */
export function stepTargets(
	{ tail, streams }: Manifest,
	batches: readonly DeviceBatch[],
	classWeights: Vector,
): Tensors {
	if (tail === null) return { y: concatenateLabels(batches.map((b) => b.labels as Tensor<"int64">)), classWeights };
	const sizes = batches.map(({ smashed }) => smashed.dims[0] as number);
	const total = batches.reduce((sum, { featureGradient }, i) => sum + (featureGradient ? (sizes[i] as number) : 0), 0);
	const gradients = batches.map(({ featureGradient }, i): Vector => {
		const count = sizes[i] as number;
		const dims = [count, streams.length, tail.features];
		if (featureGradient === undefined) return zeros("float32", dims);
		return { dtype: "float32", dims, data: scaled(featureGradient.data, count / total) };
	});
	return { featureGradient: concatenateBatches(gradients) };
}

/** Each device's part of what a step gave. @param scores [B,streams+1,K], where labels are here */
export function splitStep(
	manifest: Manifest,
	batches: readonly DeviceBatch[],
	cutGradient: Vector,
	scores: Vector | undefined,
): DeviceResult[] {
	const streams = manifest.streams.length;
	const classes = manifest.classes.length;
	const counts = batches.map(({ smashed }) => smashed.dims[0] as number);
	const taking = batches.map(({ labels, featureGradient }) => labels !== undefined || featureGradient !== undefined);
	const total = counts.reduce((sum, count, i) => sum + (taking[i] ? count : 0), 0);
	const gradients = splitRows(cutGradient, counts);
	let first = 0;
	return batches.map(({ labels }, i) => {
		const count = counts[i] as number;
		const own = gradients[i] as Vector;
		const losses = scores && labels ? streamLosses(scores.data, labels, { first, streams, classes }) : [];
		first += count;
		if (count === total) return { cutGradient: own, losses };
		// The step's loss is the mean over all devices' samples; a device needs that over its own.
		return { cutGradient: { ...own, data: scaled(own.data, total / count) }, losses };
	});
}
