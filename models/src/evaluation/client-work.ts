import { elementCount, type Runtime, type Session, scalar, type Tensors, tensor, zeros } from "@psgl/sdk";
import { type Artifact, artifactGraph, artifactTensor, type Manifest, optimiserStateLength } from "@psgl/sdk/artifact";
import { type WireDType, wireBytes } from "@psgl/sdk/protocol";
import type { Dataset } from "@psgl/sdk/sources";

export interface ClientWorkOptions {
	readonly runtime: Runtime;
	readonly threads?: number;
	/** Samples of a training batch. */
	readonly batchSize: number;
}

/** What a model asks of a device, to be timed: its training step, and the release of one record. The weights stay as they are. */
export class ClientWork implements AsyncDisposable {
	readonly #manifest: Manifest;
	readonly #step: readonly Session[];
	readonly #record: Session;
	readonly #batch: Tensors;
	readonly #one: Tensors;

	private constructor(
		manifest: Manifest,
		{ step, record }: { readonly step: readonly Session[]; readonly record: Session },
		{ batch, one }: { readonly batch: Tensors; readonly one: Tensors },
	) {
		this.#manifest = manifest;
		this.#step = step;
		this.#record = record;
		this.#batch = batch;
		this.#one = one;
	}

	/** @param data as many samples of it as a batch has, repeated where they are fewer */
	static async load(artifact: Artifact, data: Dataset, options: ClientWorkOptions): Promise<ClientWork> {
		const { runtime, threads = 1, batchSize } = options;
		const load = (name: string) => runtime.load(artifactGraph(artifact, name), { threads });
		const { code, disclosure } = artifact.manifest;
		const record = await load(code === null ? "client/infer" : "client/code");
		const exchanges = disclosure.release === "every-epoch";
		const step = exchanges ? [await load("client/forward"), await load("client/train")] : [await load("client/local")];
		const feeds = { batch: feedsOf(artifact, data, batchSize), one: feedsOf(artifact, data, 1) };
		return new ClientWork(artifact.manifest, { step, record }, feeds);
	}

	/** One training step on a batch: forward pass, and back from the gradient at the cut; in the release modes `once` and `refresh` the whole step. */
	async step(): Promise<void> {
		let pass: Tensors = {};
		for (const session of this.#step) pass = await session.run({ ...this.#batch, ...pass });
	}

	/** What is done before one record leaves. */
	async record(): Promise<void> {
		await this.#record.run(this.#one);
	}

	/** Bytes of the weights of client segment and local head, and of their optimiser. */
	get memoryBytes(): number {
		const { client, head } = this.#manifest;
		const values = client.paramCount + client.statCount + head.paramCount;
		return 4 * (values + optimiserStateLength(this.#manifest, "client") + optimiserStateLength(this.#manifest, "head"));
	}

	/** Bytes of one record on the wire, each time it leaves, without envelope, scale and label. */
	recordBytes(wire: WireDType): number {
		const { code, smashedShape } = this.#manifest;
		return code === null ? wireBytes(wire, elementCount(smashedShape)) : (code.numbers * code.bits) / 8;
	}

	async close(): Promise<void> {
		await Promise.all([...this.#step, this.#record].map((session) => session.close()));
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}
}

function feedsOf(artifact: Artifact, data: Dataset, count: number): Tensors {
	const { manifest } = artifact;
	const { x, y } = data.batch(Array.from({ length: count }, (_, n) => n % data.length));
	return {
		x,
		y,
		params: artifactTensor(artifact, "client/params"),
		stats: artifactTensor(artifact, "client/stats"),
		head: artifactTensor(artifact, "client/head"),
		slots: zeros("float32", [optimiserStateLength(manifest, "client")]),
		headSlots: zeros("float32", [optimiserStateLength(manifest, "head")]),
		delta: zeros("float32", x.dims),
		budget: scalar(manifest.map?.budget ?? 0),
		cutGradient: zeros("float32", [count, ...manifest.smashedShape]),
		features: zeros("float32", [count, manifest.streams.length, manifest.tail?.features ?? 0]),
		step: scalar(1),
		learningRate: scalar(manifest.optimiser.learningRate),
		headLearningRate: scalar(manifest.optimiser.learningRate * manifest.headLearningRateFactor),
		shieldWeight: scalar(1),
		robustBudget: scalar(manifest.robustBudget),
		dropoutSeed: tensor("int64", [], BigInt64Array.of(1n)),
	};
}
