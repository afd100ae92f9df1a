import type { Runtime } from "@psgl/sdk";
import type { Dataset } from "@psgl/sdk/sources";
import type { AuditTarget } from "./audit-target.js";
import { clientGradients, type SampleGradients } from "./client-gradients.js";

/** The victims' device in training. Its samples stay inside: attackers have what its methods give. */
export class VictimDevice {
	readonly #target: AuditTarget;
	readonly #data: Dataset;
	readonly #options: { readonly runtime: Runtime; readonly threads: number };

	/** @param data what the device trains on, the victims first */
	constructor(target: AuditTarget, data: Dataset, options: { readonly runtime: Runtime; readonly threads: number }) {
		this.#target = target;
		this.#data = data;
		this.#options = options;
	}

	/**
	 * Gradients of the first `count` victims, each by itself.
	 * @throws ArtifactError `PSGL_ARTIFACT_MEMBER` where the aggregator's half is not there
	 */
	gradients(
		count: number,
		{ signal }: { readonly signal?: AbortSignal | undefined } = {},
	): Promise<readonly SampleGradients[]> {
		return clientGradients(this.#target, this.#data, count, { ...this.#options, signal });
	}
}
