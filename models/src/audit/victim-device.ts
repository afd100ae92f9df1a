import type { Random, Runtime, Tensor } from "@psgl/sdk";
import type { Artifact } from "@psgl/sdk/artifact";
import type { Dataset } from "@psgl/sdk/sources";
import { AuditTarget } from "./audit-target.js";
import { batchesOf } from "./batches-of.js";
import { clientGradients, type SampleGradients } from "./client-gradients.js";
import { type ClientBatch, TrainingClient } from "./training-client.js";

type Real = Tensor<"float32">;

export interface VictimDeviceOptions {
	readonly runtime: Runtime;
	readonly threads: number;
	/** How many of the samples are the victims. */
	readonly victims: number;
}

/** The device as it trains for whoever plays the aggregator. */
export interface VictimTraining extends AsyncDisposable {
	/** The smashed data of its next batch. */
	next(): Promise<ClientBatch>;
	/** The client half as the device has it now. */
	artifact(): Artifact;
}

/** The victims' device in training. Its samples stay inside: attackers have what its methods give. */
export class VictimDevice {
	readonly #target: AuditTarget;
	readonly #data: Dataset;
	readonly #options: VictimDeviceOptions;

	/** @param data what the device trains on, the victims first */
	constructor(target: AuditTarget, data: Dataset, options: VictimDeviceOptions) {
		this.#target = target;
		this.#data = data;
		this.#options = options;
	}

	/**
	 * Gradients of the first `count` victims, each by itself.
	 * @throws ArtifactError `PSGL_ARTIFACT_MEMBER` where the aggregator's half is not there
	 */
	gradients(count: number, signal?: AbortSignal): Promise<readonly SampleGradients[]> {
		return clientGradients(this.#target, this.#data, count, { ...this.#options, signal });
	}

	/** Lets it train from the audited weights on, in batches of `batchSize` of its samples. */
	async train(random: Random, batchSize: number): Promise<VictimTraining> {
		const client = await TrainingClient.load(this.#target.artifact, this.#options);
		const batches = batchesOf(this.#data.length, random, batchSize);
		return {
			next: async () => {
				const { x, y } = this.#data.batch(batches());
				return client.forward(x, y);
			},
			artifact: () => client.artifact(),
			[Symbol.asyncDispose]: () => client.close(),
		};
	}

	/** What it sends of the victims [V,Cs,...] with other weights. */
	async releaseWith(artifact: Artifact, signal?: AbortSignal): Promise<Real> {
		const { runtime, threads, victims } = this.#options;
		await using target = await AuditTarget.load(artifact, { runtime, threads, wire: this.#target.wire });
		return await target.release(this.#data.batch(Array.from({ length: victims }, (_, i) => i)).x, { signal });
	}
}
