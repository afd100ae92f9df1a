import { join } from "node:path";
import type { Artifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import type { Aggregator } from "../../aggregator/aggregator.js";
import { disclosedArtifact } from "../../aggregator/disclosed-artifact.js";
import type { AggregatorEvent } from "../../aggregator/events.js";
import { openRolloutDesk } from "../../aggregator/served-release.js";
import type { BrokerOptions } from "../../broker/broker.js";
import { writeOutput } from "../../files/write-output.js";
import { cloudLimits as limits } from "../../limits.js";
import type { OperationsPage } from "../../operations/operations-page.js";
import { aborted } from "../../scale/aborted.js";
import { type ExternalIngressOptions, startExternalIngress } from "../../scale/external-ingress.js";
import { type Ingress, startIngress } from "../../scale/ingress.js";
import { ownPartitions } from "../../scale/own-partitions.js";
import type { RunStore } from "../../scale/run-store.js";
import { StoreView } from "../../scale/store-view.js";
import type { CloudRole } from "../cloud-role.js";
import { defaultThreads } from "../common-options.js";
import { interrupted } from "../exit-codes.js";
import type { OptionValues } from "../options/option.js";
import type { Output } from "../output.js";
import { aggregatorSettings, type trainingOptions } from "../training-options.js";
import { TrainingProgress } from "../training-progress.js";

export interface StoreCloudValues extends OptionValues<typeof trainingOptions> {
	readonly role: CloudRole;
	readonly rounds: number;
	readonly minDevices: number;
	readonly seed: number;
	readonly threads?: number | undefined;
	readonly state: string;
	readonly journalKeep: "checkpoint" | "all";
	readonly exitWhenTrained: boolean;
}

export interface StoreCloudParts {
	readonly artifact: Artifact;
	readonly store: RunStore;
	/** How the ingress listens. */
	readonly broker: Omit<BrokerOptions, "log" | "maxMessageBytes">;
	/** Somebody else's broker in its place; undefined without one. */
	readonly external: Omit<ExternalIngressOptions, "store" | "onOwner"> | undefined;
	/** The ingress listens. What is returned ends with it. */
	readonly onIngress: (ingress: Ingress) => Disposable | undefined;
	/** What this process is there for works. */
	readonly onReady: () => void;
	readonly onEvent: (event: AggregatorEvent) => void;
	/** Shows the whole run; undefined where this process has no page. */
	readonly page: OperationsPage | undefined;
	readonly output: Output;
	readonly signal: AbortSignal;
}

/** What a cloud came to; without a result where it was stopped in training. */
export interface EndedCloud {
	readonly exitCode: number;
	readonly result?: Readonly<Record<string, unknown>>;
}

/** Takes the roles of a cloud whose run lies on NATS, until training is over or it is stopped. */
export async function runCloudOnStore(options: StoreCloudValues, parts: StoreCloudParts): Promise<EndedCloud> {
	const { store, broker, output, signal, onIngress, onReady, page, external } = parts;
	const { role, exitWhenTrained } = options;
	const release = {
		artifact: parts.artifact,
		runtime: nodeRuntime,
		settings: aggregatorSettings(options, options.minDevices),
	};
	using rollout = page && (await openRolloutDesk(release, await store.openRollouts({ timeoutMs: limits.orderMs })));
	await using view = page && (await StoreView.open({ store, rollout, onEvent: (event) => page.tell(event) }));
	if (view !== undefined) page?.show(view);
	const onOwner = (partition: number, epoch: number) => output.event("owner", { partition, epoch });
	const isIngress = role === "ingress" || role === "all";
	await using _external =
		isIngress && external ? await startExternalIngress({ ...external, store, onOwner }) : undefined;
	if (_external !== undefined) {
		const { url } = external as ExternalIngressOptions;
		output.event("external-broker", { url }, `Connected with the broker at ${url}`);
	}
	await using ingress = isIngress && !external ? await startIngress({ ...broker, store, onOwner }) : undefined;
	using _following = ingress && onIngress(ingress);
	// An aggregator that stands by is ready to take over.
	onReady();
	const trained = new AbortController();
	const results = new PartitionResults(options, parts, () => {
		if (exitWhenTrained) trained.abort();
	});
	const stop = AbortSignal.any([signal, trained.signal]);
	if (role === "ingress" || role === "web") await aborted(stop);
	else await results.own(stop);
	return { exitCode: signal.aborted ? interrupted : 0, result: { role, partitions: results.partitions } };
}

/** What the partitions of this process came to. */
class PartitionResults {
	readonly partitions: Record<string, object> = {};
	readonly #options: StoreCloudValues;
	readonly #parts: StoreCloudParts;
	readonly #onTrained: () => void;
	readonly #training = new Set<number>();

	constructor(options: StoreCloudValues, parts: StoreCloudParts, onTrained: () => void) {
		this.#options = options;
		this.#parts = parts;
		this.#onTrained = onTrained;
	}

	own(signal: AbortSignal): Promise<void> {
		const { artifact, store, output } = this.#parts;
		const { minDevices, threads, journalKeep } = this.#options;
		return ownPartitions({
			store,
			aggregator: () => ({
				artifact,
				runtime: nodeRuntime,
				settings: aggregatorSettings(this.#options, minDevices),
				threads: threads ?? defaultThreads(),
				keepLog: journalKeep === "all",
			}),
			onOwned: (partition, aggregator, { epoch, over }) => {
				const { round } = aggregator;
				output.event(
					"owned",
					{ partition, epoch, round },
					`Partition ${partition} is this process's, from round ${round} on`,
				);
				this.#training.add(partition);
				void this.#follow(partition, aggregator, over);
			},
			onLost: (partition, error) => {
				this.#training.delete(partition);
				const why = error?.message ?? "given to a process that has none";
				output.event("lost-partition", { partition, code: error?.code }, `Partition ${partition}: ${why}`);
			},
			signal,
		});
	}

	/** Shows what happens, and at the end of training keeps the model; what ends an aggregator ends `own`, too. */
	async #follow(partition: number, aggregator: Aggregator, over: AbortSignal): Promise<void> {
		const { artifact, store, output, onEvent } = this.#parts;
		const name = `${artifact.manifest.name}${store.partitions > 1 ? ` partition ${partition}` : ""}`;
		const progress = new TrainingProgress(output, { label: name });
		try {
			for await (const event of aggregator.events()) {
				// An aggregator that gives its partition up ends as well, untrained.
				if (event.type === "end" && over.aborted) return;
				onEvent(event);
				progress.show(event);
				if (event.type === "end") await this.#trained(partition, aggregator);
			}
		} catch {
			// Told by `onLost`, or thrown by `own`.
		}
	}

	async #trained(partition: number, aggregator: Aggregator): Promise<void> {
		const { store, output } = this.#parts;
		if (this.#options.rounds === 0)
			output.event("serving", { partition }, `Partition ${partition} answers requests for decisions`);
		else {
			const { artifact: trained, rounds, reason, bestRound, counts, validation } = await aggregator.result;
			const model = await disclosedArtifact(trained, aggregator.devices());
			const file = join(this.#options.state, store.partitions > 1 ? `model-p${partition}.psgl` : "model.psgl");
			await writeOutput(file, model);
			await store.blobs.put(`p${partition}/model`, model);
			const result = { rounds, reason, bestRound, counts, validation: validation?.fused, artifact: file };
			this.partitions[partition] = result;
			output.event("trained", { partition, ...result }, `Trained for ${rounds} rounds (${reason}). Written: ${file}`);
		}
		this.#training.delete(partition);
		if (this.#training.size === 0) this.#onTrained();
	}
}
