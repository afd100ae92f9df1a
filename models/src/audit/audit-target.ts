import { type Runtime, type Session, ShapeError, scalar, type Tensor } from "@psgl/sdk";
import { type Artifact, artifactGraph, artifactTensor, type Manifest } from "@psgl/sdk/artifact";
import type { WireDType } from "@psgl/sdk/protocol";
import { rows, runInBatches } from "./run-in-batches.js";

type Real = Tensor<"float32">;

export interface AuditTargetOptions {
	readonly runtime: Runtime;
	readonly threads?: number;
	/** Element type on the wire. */
	readonly wire: WireDType;
}

/** Samples a device sends at once; int8 has one scale a channel and batch. */
const sentAtOnce = 16;

/**
 * The client half of an artifact as an attacker sees it: what it sends for a sample, read off the wire. The device's
 * map is on it, the robust perturbation, which is for training only, is not.
 */
export class AuditTarget implements AsyncDisposable {
	readonly artifact: Artifact;
	readonly wire: WireDType;
	readonly #infer: Session;
	readonly #codec: readonly Session[];

	private constructor(artifact: Artifact, wire: WireDType, infer: Session, codec: readonly Session[]) {
		this.artifact = artifact;
		this.wire = wire;
		this.#infer = infer;
		this.#codec = codec;
	}

	/** @throws ArtifactError `PSGL_ARTIFACT_MEMBER` when the artifact has no client half. */
	static async load(artifact: Artifact, { runtime, threads = 1, wire }: AuditTargetOptions): Promise<AuditTarget> {
		const load = (name: string) => runtime.load(artifactGraph(artifact, name), { threads });
		const infer = await load("client/infer");
		const codec = wire === "float32" ? [] : [await load(`wire/encode.${wire}`), await load(`wire/decode.${wire}`)];
		return new AuditTarget(artifact, wire, infer, codec);
	}

	get manifest(): Manifest {
		return this.artifact.manifest;
	}

	/**
	 * Smashed data [N,Cs,...] of samples [N, ...inputShape] as they arrive.
	 * @param withMap false: of clean samples, the device's map left away
	 * @throws ShapeError `PSGL_INPUT_SHAPE`
	 */
	async release(x: Real, { withMap = true, signal }: ReleaseOptions = {}): Promise<Real> {
		const { inputShape, name } = this.manifest;
		if (x.dims.slice(1).join() !== inputShape.join()) {
			throw new ShapeError("PSGL_INPUT_SHAPE", {
				what: `the samples do not fit the model ${name}`,
				got: `[${x.dims.slice(1).join(",")}]`,
				expected: `samples of shape [${inputShape.join(",")}]`,
				remedy: "Give samples of that shape, or audit the artifact that was made for these",
			});
		}
		const feeds = {
			params: artifactTensor(this.artifact, "client/params"),
			stats: artifactTensor(this.artifact, "client/stats"),
			head: artifactTensor(this.artifact, "client/head"),
			budget: scalar(withMap ? (this.manifest.map?.budget ?? 0) : 0),
		};
		const run = { session: this.#infer, feeds, input: "x", output: "smashed", batchSize: sentAtOnce, signal };
		const sent = await runInBatches(x, run);
		return this.arrive(sent);
	}

	/** Smashed data, or gradients at the cut, [N,Cs,...] as they arrive: quantised for the wire and back, a batch of a device at a time. */
	async arrive(smashed: Real): Promise<Real> {
		const [encode, decode] = this.#codec;
		if (encode === undefined || decode === undefined) return smashed;
		const count = smashed.dims[0] as number;
		const arrived = new Float32Array(smashed.data.length);
		for (let start = 0; start < count; start += sentAtOnce) {
			const values = rows(smashed, start, Math.min(start + sentAtOnce, count));
			const { quantised, scale } = await encode.run({ values });
			const out = await decode.run({ quantised: quantised as Tensor, scale: scale as Tensor });
			arrived.set((out.values as Real).data, (start * smashed.data.length) / count);
		}
		return { ...smashed, data: arrived };
	}

	async close(): Promise<void> {
		await Promise.all([this.#infer, ...this.#codec].map((session) => session.close()));
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}
}

export interface ReleaseOptions {
	readonly withMap?: boolean;
	readonly signal?: AbortSignal | undefined;
}
