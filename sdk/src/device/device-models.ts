import { ArtifactError, PsglError } from "../errors.js";
import type { WelcomeMessage } from "../protocol/index.js";
import { ModelTrust } from "../trust/model-trust.js";
import { checkHealth, unhealthy } from "./check-health.js";
import { type ClientModel, clientModel } from "./client-model.js";
import type { ClientSegment } from "./client-segment.js";
import { ClientState } from "./client-state.js";
import { requireFit } from "./device-data.js";
import type { DeviceSettings } from "./device-options.js";
import type { DeviceRecords } from "./device-records.js";
import type { ModelReport } from "./model-report.js";
import type { RestoredDevice } from "./restored-device.js";

/**
 * The models of a device: the agreed one, and the one before it, which decides until the agreed one is here. A new model is
 * checked, runs on trial, and is the device's own once it was of use; one that fails gives way to the one before it.
 */
export class DeviceModels {
	readonly #settings: DeviceSettings;
	readonly #records: DeviceRecords;
	/** Which artifacts the device takes; undefined where its owner named no signers. */
	readonly #trust: ModelTrust | undefined;
	#agreed: ClientModel | undefined;
	/** Decides while the model the aggregator names is not there, or failed here. */
	#standby: ClientModel | undefined;
	readonly #reports: ModelReport[] = [];

	private constructor(settings: DeviceSettings, records: DeviceRecords, trust: ModelTrust | undefined) {
		this.#settings = settings;
		this.#records = records;
		this.#trust = trust;
	}

	/** @throws ArtifactError as `ModelTrust.open`. */
	static async open(settings: DeviceSettings, records: DeviceRecords): Promise<DeviceModels> {
		const { root, store, clock } = settings;
		return new DeviceModels(settings, records, root && (await ModelTrust.open({ root, store, clock })));
	}

	/** Undefined until the aggregator has answered and the artifact is here. */
	get agreed(): ClientModel | undefined {
		return this.#agreed;
	}

	/** What decides: the agreed model, or the one the device had before. */
	get deciding(): ClientModel | undefined {
		return this.#agreed ?? this.#standby;
	}

	/** Whether the model has yet to prove itself, and the one before it is kept. */
	get onTrial(): boolean {
		return this.#records.slots?.onTrial ?? false;
	}

	/** Digests of the artifacts that need not be fetched, the newest last. */
	get digests(): readonly string[] {
		const stored = this.#trust === undefined ? (this.#records.slots?.digests ?? []) : [];
		return [...new Set([...this.#settings.segments.digests.filter((digest) => this.#holds(digest)), ...stored])];
	}

	/** What became of models since this was asked last. */
	takeReports(): readonly ModelReport[] {
		return this.#reports.splice(0);
	}

	/** How this model does here; undefined where the device keeps no models, or not this one. */
	health(artifact: string): ModelReport | undefined {
		const { slots } = this.#records;
		if (slots === undefined) return undefined;
		const failed = slots.rejection(artifact);
		if (failed !== undefined) return { artifact, state: "rejected", code: failed.code, what: failed.what };
		if (slots.digests[0] !== artifact) return undefined;
		return { artifact, state: slots.onTrial ? "trial" : "confirmed" };
	}

	/** @throws ArtifactError `PSGL_MODEL_REJECTED` when this model failed here. */
	requireNotRejected(artifact: string): void {
		const failed = this.#records.slots?.rejection(artifact);
		if (failed === undefined) return;
		throw new ArtifactError("PSGL_MODEL_REJECTED", {
			what: "the aggregator names a model that failed on this device before",
			got: failed.what,
			remedy: "Serve the model before it, or a corrected one",
		});
	}

	/**
	 * The model that was active when the process ended, unless its artifact can no longer be used: then it is fetched again.
	 * One on trial that was started too often without a use is not.
	 */
	async restore(): Promise<RestoredDevice | undefined> {
		let restored = this.#records.takeRestored();
		const { slots } = this.#records;
		if (slots?.isExhausted) {
			const [artifact = ""] = slots.digests;
			const { code, what } = unhealthy("the device does not last with it", "starts without a use", "a use");
			restored = await this.#records.rollBack(code, what);
			this.#reports.push({ artifact, state: "rolled-back", code, what });
		}
		this.#agreed = restored && (await this.#reopen(restored));
		return this.#agreed && restored;
	}

	/**
	 * The terms name this model: the one the device has, one that lies here, or one that has to be fetched.
	 * @throws ArtifactError `PSGL_MODEL_REJECTED`, and as `take`.
	 */
	async agree(welcome: WelcomeMessage): Promise<void> {
		const { artifact } = welcome;
		if (this.deciding?.segment.digest !== artifact) this.#standBy();
		this.requireNotRejected(artifact);
		const staged = await this.#records.staged(artifact);
		if (staged !== undefined) return this.#adopt(staged, welcome);
		this.#trust?.check(artifact);
		const segment = this.#holds(artifact) ? await this.#settings.segments.get(artifact) : undefined;
		if (segment === undefined) return this.#standBy();
		await this.#use(segment, welcome, undefined);
		await this.#confirm(welcome);
	}

	/**
	 * The artifact has come.
	 * @throws ArtifactError `PSGL_ARTIFACT_DIGEST`, `PSGL_ARTIFACT_PART`, `PSGL_MODEL_UNHEALTHY`, `PSGL_MODEL_REJECTED`, as
	 * `ModelTrust.verify` and `decodeArtifact`; ShapeError as `requireFit`; LimitError `PSGL_DEVICE_MEMORY`; ConfigError `PSGL_LEDGER_VOLATILE`; DataError `PSGL_LEDGER_OLD`.
	 */
	async take(artifact: Uint8Array, welcome: WelcomeMessage): Promise<void> {
		const { artifact: digest } = welcome;
		this.requireNotRejected(digest);
		// What comes twice is adopted once.
		if (this.#agreed?.segment.digest === digest) return;
		if (this.#records.slots?.active !== undefined) await this.#adopt(artifact, welcome);
		else await this.#use(await this.#open(artifact, welcome), welcome, artifact);
	}

	/** The model was of use: it decided, or made a training step. */
	async used(welcome: WelcomeMessage | undefined): Promise<void> {
		if (!(await this.#records.used())) return;
		const artifact = this.#records.slots?.digests[0] as string;
		if (welcome?.artifact === artifact) await this.#confirm(welcome);
		this.#reports.push({ artifact, state: "confirmed" });
	}

	/** The model on trial failed: back to the one before it, which is the agreed one if the terms name it. */
	async rollBack({ code, what }: PsglError, welcome: WelcomeMessage | undefined): Promise<void> {
		const artifact = this.#records.slots?.digests[0] as string;
		const restored = await this.#records.rollBack(code, what);
		this.#agreed = undefined;
		this.#standby = restored && (await this.#reopen(restored));
		if (this.#standby?.segment.digest === welcome?.artifact) this.#agreed = this.#standby;
		this.#reports.push({ artifact, state: "rolled-back", code, what });
	}

	/** A model of the store; undefined when its artifact can no longer be used. */
	async #reopen({ welcome, artifact, client, perturbations }: RestoredDevice): Promise<ClientModel | undefined> {
		let segment: ClientSegment;
		try {
			segment = await this.#open(artifact, welcome);
		} catch (error) {
			if (error instanceof ArtifactError) return undefined;
			throw error;
		}
		await this.#records.ledger.accept(segment.artifact.manifest.disclosure);
		const model = this.#clientModel(segment, welcome);
		if (client !== undefined) model.state.restore(client);
		for (const [index, bytes] of perturbations) model.perturbations?.row(index).set(bytes);
		return model;
	}

	/**
	 * A model in place of the one the device has: checked in the other slot, then active on trial. Killed anywhere, the device
	 * has the one or the other.
	 */
	async #adopt(artifact: Uint8Array, welcome: WelcomeMessage): Promise<void> {
		const { artifact: digest } = welcome;
		const { segments, data } = this.#settings;
		const before = this.deciding;
		try {
			await this.#trust?.verify(artifact, digest);
			const segment = await segments.open(artifact, digest);
			this.#requireUsable(segment, welcome);
			const { disclosure } = segment.artifact.manifest;
			this.#records.ledger.requireAcceptable(disclosure);
			await this.#records.stage(welcome, artifact);
			if (this.#records.slots?.endsProcesses)
				throw unhealthy("the process ended while it was checked", "ends", "answers");
			await checkHealth(
				{ ...this.#clientModel(segment, welcome), state: new ClientState(segment.artifact) },
				data,
				before,
			);
			// For good, so not for a model that is never used; before it is active, so that it is never used without them.
			await this.#records.ledger.accept(disclosure);
			const restored = await this.#records.activate(welcome);
			const model = this.#clientModel(segment, welcome);
			if (restored?.client !== undefined) model.state.restore(restored.client);
			this.#standby = undefined;
			this.#agreed = model;
		} catch (error) {
			if (!(error instanceof PsglError)) throw error;
			const { code, what } = error;
			// Else another time, with other bytes, a clock that is set or other data, it may be taken.
			if (code === "PSGL_MODEL_UNHEALTHY") await this.#records.reject({ digest, code, what });
			this.#reports.push({ artifact: digest, state: "rejected", code, what });
			throw error;
		}
		this.#reports.push({ artifact: digest, state: "trial" });
	}

	/** Until the agreed model is here the one before it decides. */
	#standBy(): void {
		this.#standby = this.deciding;
		this.#agreed = undefined;
	}

	/** Whether an artifact need not be fetched: one that another device of the process opened has to be checked all the same. */
	#holds(digest: string): boolean {
		return this.#records.holds(digest) && (this.#trust?.has(digest) ?? true);
	}

	/** What is not to be trusted is not unpacked. */
	async #open(artifact: Uint8Array, welcome: WelcomeMessage): Promise<ClientSegment> {
		const { artifact: digest } = welcome;
		await this.#trust?.verify(artifact, digest);
		await this.#confirm(welcome);
		return this.#settings.segments.open(artifact, digest);
	}

	/** No older model is taken any more, unless this one is on trial, or on trial in the fleet: then one may be needed again. */
	async #confirm({ artifact, staged }: WelcomeMessage): Promise<void> {
		if (!this.onTrial && staged !== true) await this.#trust?.confirm(artifact);
	}

	async #use(segment: ClientSegment, welcome: WelcomeMessage, artifact: Uint8Array | undefined): Promise<void> {
		this.#requireUsable(segment, welcome);
		await this.#records.ledger.accept(segment.artifact.manifest.disclosure);
		await this.#records.enrolled(welcome, artifact);
		this.#agreed = this.#clientModel(segment, welcome);
		this.#standby = undefined;
	}

	#requireUsable(segment: ClientSegment, { batchSize }: WelcomeMessage): void {
		const { manifest } = segment.artifact;
		if (manifest.part !== "client") {
			throw new ArtifactError("PSGL_ARTIFACT_PART", {
				what: "the aggregator sent an artifact with both halves of the network",
				got: `part ${manifest.part}`,
				expected: "part client",
				remedy: "Give the aggregator's devices the client half only",
			});
		}
		const { data, gate } = this.#settings;
		if (data === undefined) return;
		requireFit(manifest, data);
		if (data.train !== undefined) gate.fittingBatch(manifest, batchSize);
	}

	#clientModel(segment: ClientSegment, welcome: WelcomeMessage): ClientModel {
		return clientModel(segment, welcome, this.#settings, this.deciding);
	}
}
