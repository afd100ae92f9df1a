import { type Random, type Runtime, type Session, scalar, type Tensor, zeros } from "@psgl/sdk";
import { type Artifact, artifactGraph, artifactTensor } from "@psgl/sdk/artifact";
import { gather } from "./run-in-batches.js";
import type { WireCodec } from "./sending.js";

type Real = Tensor<"float32">;

/** Samples of a device's batch; the last batch takes what is left. */
const batchSize = 16;

/** What leaves a device in training: the forward pass of its batches by the very graph it runs. */
export class TrainingPass {
	readonly #artifact: Artifact;
	readonly #forward: Session;

	private constructor(artifact: Artifact, forward: Session) {
		this.#artifact = artifact;
		this.#forward = forward;
	}

	/** @throws ArtifactError `PSGL_ARTIFACT_MEMBER` when the artifact has no client half. */
	static async load(artifact: Artifact, runtime: Runtime, threads: number): Promise<TrainingPass> {
		return new TrainingPass(artifact, await runtime.load(artifactGraph(artifact, "client/forward"), { threads }));
	}

	/** Smashed data [N,Cs,...] of samples [N, ...inputShape], each in a batch that `random` draws, as they arrive. */
	async release(x: Real, codec: WireCodec, random: Random, signal: AbortSignal | undefined): Promise<Real> {
		const { manifest } = this.#artifact;
		const count = x.dims[0] as number;
		const order = random.permutation(count);
		let sent: Real | undefined;
		for (let start = 0, end = 0; start < count; start = end) {
			signal?.throwIfAborted();
			end = count - start < 2 * batchSize ? count : start + batchSize;
			const chosen = order.subarray(start, end);
			const samples = gather(x, chosen);
			const delta = zeros("float32", samples.dims);
			for (let i = 0; i < delta.data.length; i++) delta.data[i] = manifest.robustBudget * (2 * random.uniform() - 1);
			const { smashed } = await this.#forward.run(
				{
					x: samples,
					delta,
					params: artifactTensor(this.#artifact, "client/params"),
					stats: artifactTensor(this.#artifact, "client/stats"),
					head: artifactTensor(this.#artifact, "client/head"),
					budget: scalar(manifest.map?.budget ?? 0),
					dropoutSeed: { dtype: "int64", dims: [], data: BigInt64Array.of(BigInt(random.integer(2 ** 31))) },
				},
				["smashed"],
			);
			const arrived = await codec.arrive(smashed as Real);
			const size = arrived.data.length / chosen.length;
			sent ??= { ...arrived, dims: [count, ...arrived.dims.slice(1)], data: new Float32Array(count * size) };
			for (const [b, n] of chosen.entries()) sent.data.set(arrived.data.subarray(b * size, (b + 1) * size), n * size);
		}
		return sent ?? x;
	}

	async close(): Promise<void> {
		await this.#forward.close();
	}
}
