import { type Runtime, type Session, scalar, type Tensor } from "@psgl/sdk";
import { type Artifact, artifactGraph, artifactTensor } from "@psgl/sdk/artifact";
import { rows } from "./run-in-batches.js";

type Real = Tensor<"float32">;

/** What a network that was trained on originals sees in samples. */
export interface Recognised {
	/** [N] class it decides on. */
	readonly decisions: Int32Array;
	/** [N*K] probabilities of its decision. */
	readonly scores: Float32Array;
	/** [N,Cs,...] its smashed data, each place scaled to length 1 over the channels. */
	readonly features: Real;
}

const batchSize = 64;

/**
 * Both halves of a network, to decide on samples. The undefended one is a judge of reconstructions: can they still be
 * recognised, do they look alike to it?
 */
export class Recogniser implements AsyncDisposable {
	readonly #artifact: Artifact;
	readonly #client: Session;
	readonly #server: Session;
	/** Of a device that has a tail. */
	readonly #decide: Session | undefined;

	private constructor(artifact: Artifact, client: Session, server: Session, decide: Session | undefined) {
		this.#artifact = artifact;
		this.#client = client;
		this.#server = server;
		this.#decide = decide;
	}

	/** @throws ArtifactError `PSGL_ARTIFACT_MEMBER` when `artifact` is not joint. */
	static async load(artifact: Artifact, runtime: Runtime, threads = 1): Promise<Recogniser> {
		const load = (name: string) => runtime.load(artifactGraph(artifact, name), { threads });
		const decide = artifact.manifest.tail === null ? undefined : await load("client/decide");
		return new Recogniser(artifact, await load("client/infer"), await load("server/infer"), decide);
	}

	/** Samples [N, ...shape]. */
	async look(x: Real): Promise<Recognised> {
		const weights = (name: string) => artifactTensor(this.#artifact, name);
		const count = x.dims[0] as number;
		const classes = this.#artifact.manifest.classes.length;
		const decisions = new Int32Array(count);
		const all = new Float32Array(count * classes);
		let features: Real | undefined;
		for (let start = 0; start < count; start += batchSize) {
			const part = rows(x, start, Math.min(start + batchSize, count));
			const { smashed } = await this.#client.run({
				x: part,
				params: weights("client/params"),
				stats: weights("client/stats"),
				head: weights("client/head"),
				budget: scalar(this.#artifact.manifest.map?.budget ?? 0),
			});
			const answer = await this.#server.run({
				smashed: smashed as Tensor,
				params: weights("server/params"),
				stats: weights("server/stats"),
			});
			const { scores } =
				(await this.#decide?.run({ features: answer.features as Tensor, params: weights("client/params") })) ?? answer;
			const data = (scores as Real).data;
			const width = data.length / (part.dims[0] as number);
			for (let b = 0; b < (part.dims[0] as number); b++) {
				const row = data.subarray((b + 1) * width - classes, (b + 1) * width);
				decisions[start + b] = row.indexOf(Math.max(...row));
				all.set(row, (start + b) * classes);
			}
			const found = unitFeatures(smashed as Real);
			features ??= {
				...found,
				dims: [count, ...found.dims.slice(1)],
				data: new Float32Array((count * found.data.length) / (part.dims[0] as number)),
			};
			features.data.set(found.data, (start * found.data.length) / (part.dims[0] as number));
		}
		return { decisions, scores: all, features: features as Real };
	}

	async close(): Promise<void> {
		await this.#client.close();
		await this.#server.close();
		await this.#decide?.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}
}

/**
 * Perceptual distance: mean squared difference of unit features, summed over the channels (Zhang et al., CVPR 2018,
 * Eq. 1, with all weights 1 and one layer).
 */
export function perceptualDistance(a: Recognised, b: Recognised): number {
	const channels = a.features.dims[1] as number;
	const sum = a.features.data.reduce((total, value, i) => total + (value - (b.features.data[i] as number)) ** 2, 0);
	return (sum * channels) / a.features.data.length;
}

/** [B,C,...] with the vector over the channels of every place scaled to length 1. */
function unitFeatures(smashed: Real): Real {
	const [count = 0, channels = 0, ...sizes] = smashed.dims;
	const places = sizes.reduce((a, b) => a * b, 1);
	const data = smashed.data.slice();
	for (let b = 0; b < count; b++) {
		for (let p = 0; p < places; p++) {
			const at = (c: number) => (b * channels + c) * places + p;
			let square = 0;
			for (let c = 0; c < channels; c++) square += (data[at(c)] as number) ** 2;
			const scale = 1 / Math.sqrt(square + 1e-10);
			for (let c = 0; c < channels; c++) data[at(c)] = (data[at(c)] as number) * scale;
		}
	}
	return { ...smashed, data };
}
