import { type Runtime, type Session, scalar, type Tensor, zeros } from "@psgl/sdk";
import { artifactGraph, artifactTensor, optimiserStateLength } from "@psgl/sdk/artifact";
import type { Dataset } from "@psgl/sdk/sources";
import { equalClassWeights } from "../compile/server-streams.js";
import type { AuditTarget } from "./audit-target.js";

type Real = Tensor<"float32">;

/** Samples of a device's batch. */
const batchSize = 16;

interface GradientOptions {
	readonly runtime: Runtime;
	readonly threads?: number;
	readonly signal?: AbortSignal | undefined;
}

/** The gradients of a batch that are made at the cut and, where a device has a tail, at the features. */
export interface BatchGradients {
	/** [B,Cs,...] */
	readonly cut: Real;
	/** [B,streams,F] */
	readonly features?: Real;
}

/** The server segment up to the features, and the device's tail. */
interface TailSessions {
	readonly features: Session;
	readonly device: Session;
}

/**
 * What follows the cut: the server segment with the labels, or with a device's tail behind it, whose weights the aggregator averages and so
 * has. Gives the gradients that training makes of smashed data, without a step.
 */
export class GradientsAtCut implements AsyncDisposable {
	readonly #target: AuditTarget;
	readonly #train: Session;
	readonly #tail: TailSessions | undefined;

	private constructor(target: AuditTarget, train: Session, tail: TailSessions | undefined) {
		this.#target = target;
		this.#train = train;
		this.#tail = tail;
	}

	/** @throws ArtifactError `PSGL_ARTIFACT_MEMBER` where the aggregator's half is not there */
	static async load(target: AuditTarget, { runtime, threads = 1 }: GradientOptions): Promise<GradientsAtCut> {
		const load = (name: string) => runtime.load(artifactGraph(target.artifact, name), { threads });
		const tail =
			target.manifest.tail === null
				? undefined
				: { features: await load("server/features"), device: await load("client/tail") };
		return new GradientsAtCut(target, await load("server/train"), tail);
	}

	/** Of smashed data [B,Cs,...] of samples of the classes y [B]. */
	async of(smashed: Real, y: Tensor<"int64">): Promise<BatchGradients> {
		const { artifact, manifest } = this.#target;
		const server = {
			smashed,
			params: artifactTensor(artifact, "server/params"),
			stats: artifactTensor(artifact, "server/stats"),
			step: scalar(1),
		};
		const steps = {
			slots: zeros("float32", [optimiserStateLength(manifest, "server")]),
			learningRate: scalar(0),
			classWeights: equalClassWeights(manifest.classes.length),
		};
		if (this.#tail === undefined) {
			return { cut: (await this.#train.run({ ...server, ...steps, y }, ["cutGradient"])).cutGradient as Real };
		}
		const { features } = await this.#tail.features.run(server);
		const params = artifactTensor(artifact, "client/params");
		const { featureGradient } = await this.#tail.device.run({ features: features as Real, y, params });
		const feeds = { ...server, ...steps, featureGradient: featureGradient as Real };
		const { cutGradient } = await this.#train.run(feeds, ["cutGradient"]);
		return { cut: cutGradient as Real, features: featureGradient as Real };
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.#train.close();
		await this.#tail?.features.close();
		await this.#tail?.device.close();
	}
}

/**
 * Gradients of samples as they travel, each flat: those at the cut that the aggregator sends back to a device, or, `at` the features, those that a
 * device with a tail sends, as float32. A last batch of one sample, which has no batch statistics, is left out.
 *
 * @throws ArtifactError `PSGL_ARTIFACT_MEMBER` where the aggregator's half is not there
 */
export async function exchangedGradients(
	target: AuditTarget,
	data: Dataset,
	at: "cut" | "features",
	options: GradientOptions,
): Promise<readonly Float32Array[]> {
	await using gradients = await GradientsAtCut.load(target, options);
	const found: Float32Array[] = [];
	for (let start = 0; start + 1 < data.length; start += batchSize) {
		options.signal?.throwIfAborted();
		const end = Math.min(start + batchSize, data.length);
		const { x, y } = data.batch(Array.from({ length: end - start }, (_, i) => start + i));
		const made = await gradients.of(await target.release(x), y);
		const gradient = at === "cut" ? await target.arrive(made.cut) : (made.features as Real);
		const count = x.dims[0] as number;
		const size = gradient.data.length / count;
		for (let b = 0; b < count; b++) found.push(gradient.data.slice(b * size, (b + 1) * size));
	}
	return found;
}
