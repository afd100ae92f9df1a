import { type Runtime, scalar, type Tensor, zeros } from "@psgl/sdk";
import { artifactGraph, artifactTensor, optimiserStateLength } from "@psgl/sdk/artifact";
import type { Dataset } from "@psgl/sdk/sources";
import { equalClassWeights } from "../compile/server-streams.js";
import type { AuditTarget } from "./audit-target.js";

type Real = Tensor<"float32">;

/** Samples of a device's batch. */
const batchSize = 16;

/**
 * The gradients at the cut that the aggregator sends back to a device for its samples, each flat, as they arrive. A last
 * batch of one sample, which has no batch statistics, is left out.
 *
 * @throws ArtifactError `PSGL_ARTIFACT_MEMBER` where the aggregator's half is not there
 */
export async function cutGradients(
	target: AuditTarget,
	data: Dataset,
	options: { readonly runtime: Runtime; readonly threads?: number; readonly signal?: AbortSignal | undefined },
): Promise<readonly Float32Array[]> {
	const { artifact } = target;
	await using session = await options.runtime.load(artifactGraph(artifact, "server/train"), {
		threads: options.threads ?? 1,
	});
	const found: Float32Array[] = [];
	for (let start = 0; start + 1 < data.length; start += batchSize) {
		options.signal?.throwIfAborted();
		const end = Math.min(start + batchSize, data.length);
		const { x, y } = data.batch(Array.from({ length: end - start }, (_, i) => start + i));
		const out = await session.run(
			{
				smashed: await target.release(x),
				y,
				params: artifactTensor(artifact, "server/params"),
				stats: artifactTensor(artifact, "server/stats"),
				slots: zeros("float32", [optimiserStateLength(artifact.manifest, "server")]),
				learningRate: scalar(0),
				step: scalar(1),
				classWeights: equalClassWeights(artifact.manifest.classes.length),
			},
			["cutGradient"],
		);
		const count = x.dims[0] as number;
		const { data: arrived } = await target.arrive(out.cutGradient as Real);
		const size = arrived.length / count;
		for (let b = 0; b < count; b++) found.push(arrived.slice(b * size, (b + 1) * size));
	}
	return found;
}
