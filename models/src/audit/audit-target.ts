import { type Random, type Runtime, ShapeError, seededRandom, type Tensor } from "@psgl/sdk";
import type { Artifact, Manifest } from "@psgl/sdk/artifact";
import type { WireDType } from "@psgl/sdk/protocol";
import { openCodec, openSending, type ReleaseOptions, type Sending, type WireCodec } from "./sending.js";

type Real = Tensor<"float32">;

export interface AuditTargetOptions {
	readonly runtime: Runtime;
	readonly threads?: number;
	/** Element type of real numbers on the wire. */
	readonly wire: WireDType;
	/** Draws what a random defence draws; default: seed 1. */
	readonly random?: Random;
}

/**
 * The client half of an artifact as an attacker sees it: what it sends for a sample, read off the wire. The device's
 * map is on it, the robust perturbation, which is for training only, is not.
 */
export class AuditTarget implements AsyncDisposable {
	readonly artifact: Artifact;
	readonly wire: WireDType;
	readonly #sending: Sending;
	readonly #codec: WireCodec;

	private constructor(artifact: Artifact, wire: WireDType, sending: Sending, codec: WireCodec) {
		this.artifact = artifact;
		this.wire = wire;
		this.#sending = sending;
		this.#codec = codec;
	}

	/** @throws ArtifactError `PSGL_ARTIFACT_MEMBER` when the artifact has no client half. */
	static async load(artifact: Artifact, options: AuditTargetOptions): Promise<AuditTarget> {
		const { runtime, threads = 1, wire, random = seededRandom(1) } = options;
		const sending = await openSending(artifact, { runtime, threads, wire, random });
		return new AuditTarget(artifact, wire, sending, await openCodec(artifact, runtime, threads, wire));
	}

	get manifest(): Manifest {
		return this.artifact.manifest;
	}

	/** Bits of one sample's release. */
	get releaseBits(): number {
		return this.#sending.bits;
	}

	/** Whether the same sample leaves otherwise every time. */
	get isRandom(): boolean {
		return this.#sending.random;
	}

	/**
	 * Smashed data [N,Cs,...] of samples [N, ...inputShape] as they arrive; of a code its levels [N,k].
	 * @throws ShapeError `PSGL_INPUT_SHAPE`
	 */
	async release(x: Real, options: ReleaseOptions = {}): Promise<Real> {
		const { inputShape, name } = this.manifest;
		if (x.dims.slice(1).join() !== inputShape.join()) {
			throw new ShapeError("PSGL_INPUT_SHAPE", {
				what: `the samples do not fit the model ${name}`,
				got: `[${x.dims.slice(1).join(",")}]`,
				expected: `samples of shape [${inputShape.join(",")}]`,
				remedy: "Give samples of that shape, or audit the artifact that was made for these",
			});
		}
		return this.#sending.release(x, options);
	}

	/** Gradients at the cut [N,Cs,...] as they arrive. */
	arrive(gradients: Real): Promise<Real> {
		return this.#codec.arrive(gradients);
	}

	async close(): Promise<void> {
		await this.#sending.close();
		await this.#codec.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}
}
