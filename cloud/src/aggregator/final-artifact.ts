import { fitMaskedPrior, withWeights } from "@psgl/models";
import { type Runtime, scalar, type Tensor } from "@psgl/sdk";
import type { Artifact } from "@psgl/sdk/artifact";
import type { Prior } from "./server-segment.js";
import type { TrainedWeights } from "./trained-weights.js";

/** Fewest samples a prior is fitted on: two give no variance. */
const fewestSamples = 3;

/** The masked prior an artifact holds, if it does. */
export function artifactPrior(artifact: Artifact): Prior | undefined {
	const [mean, basis, variance] = ["mean", "basis", "variance"].map((name) => artifact.tensors.get(`recovery/${name}`));
	return mean && basis && variance && { mean, basis, variance };
}

/** Fits the masked prior of a model with masked recovery; undefined when there are too few samples. */
export async function fitPrior(
	artifact: Artifact,
	runtime: Runtime,
	samples: readonly Float32Array[],
	seed: number,
): Promise<Prior | undefined> {
	const { recovery } = artifact.manifest;
	const size = samples[0]?.length;
	if (recovery.kind !== "masked" || size === undefined || samples.length < fewestSamples) return undefined;
	const data = new Float32Array(samples.length * size);
	samples.forEach((sample, i) => {
		data.set(sample, i * size);
	});
	const all = { dtype: "float32", dims: [samples.length, size], data } as const;
	const { mean, basis, variance } = await fitMaskedPrior(runtime, all, { rank: recovery.rank, seed });
	return { mean, basis, variance: scalar(variance) };
}

/** The bytes of the joint artifact with trained weights. */
export async function trainedArtifact(
	artifact: Artifact,
	{ client, server }: Pick<TrainedWeights, "client" | "server">,
	prior: Prior | undefined,
	note: string,
): Promise<Uint8Array> {
	const weights = new Map<string, Tensor<"float32">>([
		["client/params", client.params],
		["client/stats", client.stats],
		["client/head", client.head],
		["server/params", server.params],
		["server/stats", server.stats],
	]);
	if (prior !== undefined) {
		weights
			.set("recovery/mean", prior.mean)
			.set("recovery/basis", prior.basis)
			.set("recovery/variance", prior.variance);
	}
	return withWeights(artifact, weights, note);
}
