/** The control of a map: noise without a plan that changes each sample as much as the map would. */
import { type Random, scalar, type Tensor } from "@psgl/sdk";
import { type Artifact, artifactGraph, artifactTensor } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Dataset } from "@psgl/sdk/sources";

/** Samples as a device that disturbs them lets nobody see. */
export type Disturb = (data: Dataset) => Promise<Dataset>;

const batchSize = 64;

/** Gaussian noise on each sample, of the Euclidean norm that the map of `artifact` has on it; the sum is kept in [0,1]. */
export function equalNormNoise(artifact: Artifact, random: Random): Disturb {
	let draw = 0;
	return async (data) => {
		const own = random.fork(`draw ${draw++}`);
		await using infer = await nodeRuntime.load(artifactGraph(artifact, "client/infer"), { threads: 1 });
		const { length, shape, classes, labels } = data;
		const samples = new Float32Array(data.batch(Array.from({ length }, (_, i) => i)).x.data);
		const size = samples.length / length;
		for (let start = 0; start < length; start += batchSize) {
			const count = Math.min(batchSize, length - start);
			const { map } = await infer.run({
				x: { dtype: "float32", dims: [count, ...shape], data: samples.slice(start * size, (start + count) * size) },
				params: artifactTensor(artifact, "client/params"),
				stats: artifactTensor(artifact, "client/stats"),
				head: artifactTensor(artifact, "client/head"),
				budget: scalar(artifact.manifest.map?.budget ?? 0),
			});
			for (let b = 0; b < count; b++) {
				const norm = Math.hypot(...(map as Tensor<"float32">).data.subarray(b * size, (b + 1) * size));
				const noise = Float64Array.from({ length: size }, () => own.normal());
				const scale = norm / Math.hypot(...noise);
				for (let i = 0; i < size; i++) {
					const at = (start + b) * size + i;
					samples[at] = Math.min(Math.max((samples[at] as number) + scale * (noise[i] as number), 0), 1);
				}
			}
		}
		return new Dataset({ shape, classes, labels, samples });
	};
}
