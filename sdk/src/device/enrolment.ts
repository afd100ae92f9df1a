import type { PsglError } from "../errors.js";
import {
	type ArtifactMessage,
	type ClientWeights,
	type HelloMessage,
	protocolLimits,
	protocolVersions,
	type WelcomeMessage,
} from "../protocol/index.js";
import { DeviceTwin } from "../twin/device-twin.js";
import type { ClientModel } from "./client-model.js";
import { Credit } from "./credit.js";
import { DeviceModels } from "./device-models.js";
import type { DeviceSettings } from "./device-options.js";
import { DeviceRecords } from "./device-records.js";
import type { WaitForItem } from "./mailbox.js";
import type { ModelReport } from "./model-report.js";

/** How a device becomes part of the fleet: `hello`, `welcome`, `artifact`. */
export class Enrolment {
	/** What outlasts the process. */
	readonly records: DeviceRecords;
	readonly #settings: DeviceSettings;
	readonly #models: DeviceModels;
	/** What the device's operator set from afar. */
	readonly twin: DeviceTwin;
	#welcome: WelcomeMessage | undefined;
	/** Batches the aggregator has room for. */
	readonly credit = new Credit();
	#awaitsWelcome = false;
	/** Artifacts that the last `hello` named: the aggregator sends none of them. */
	#named: readonly string[] = [];
	#aggregator = -1;
	#failure: { readonly error: unknown } | undefined;
	readonly #watchers = new Set<() => void>();

	private constructor(settings: DeviceSettings, records: DeviceRecords, models: DeviceModels, twin: DeviceTwin) {
		this.twin = twin;
		this.#settings = settings;
		this.#models = models;
		this.records = records;
	}

	/**
	 * Reads what the device has kept, if it has a store.
	 * @param before the same device's enrolment without its samples
	 * @throws ConfigError `PSGL_STORE_DEVICE`; DataError `PSGL_STORE_DAMAGED`, `PSGL_STORE_FORMAT`, `PSGL_STORE_WRITE`;
	 * ArtifactError as `DeviceModels.open`.
	 */
	static async open(settings: DeviceSettings, before?: Enrolment): Promise<Enrolment> {
		const records = await DeviceRecords.open(settings, before?.records.ledger);
		const models = await DeviceModels.open(settings, records);
		const { budgetBits } = settings;
		if (budgetBits !== undefined) await records.ledger.accept({ release: "every-epoch", budgetBits });
		const enrolment = new Enrolment(
			settings,
			records,
			models,
			before?.twin ?? (await DeviceTwin.open({ ...settings, device: settings.id })),
		);
		const restored = await models.restore();
		enrolment.#aggregator = restored?.progress?.aggregator ?? enrolment.#aggregator;
		return enrolment;
	}

	/** Number of this run of the device, and of those before it that it remembers. */
	get session(): number {
		return this.records.session;
	}

	/** The last `hello` has no answer yet. */
	get awaitsWelcome(): boolean {
		return this.#awaitsWelcome;
	}

	/** The session in the latest `welcome`; a number of its own, below 0, for each `welcome` without one. */
	get aggregator(): number {
		return this.#aggregator;
	}

	/** The latest `welcome` of this process. */
	get welcome(): WelcomeMessage | undefined {
		return this.#welcome;
	}

	/** Undefined until the aggregator has answered and the artifact is here. */
	get model(): ClientModel | undefined {
		return this.#models.agreed;
	}

	/** What decides: the agreed model, or the one the device had before. */
	get deciding(): ClientModel | undefined {
		return this.#models.deciding;
	}

	/** What became of models since this was asked last. */
	takeReports(): readonly ModelReport[] {
		return this.#models.takeReports();
	}

	/** What the aggregator is told of the model it names, after each `welcome`; undefined where the device keeps no models. */
	get health(): ModelReport | undefined {
		return this.#welcome && this.#models.health(this.#welcome.artifact);
	}

	/** The device can run, and not on weights from before the ones it was told of in `welcome`. */
	get upToDate(): boolean {
		const { model } = this;
		if (this.#welcome === undefined) return false;
		return model !== undefined && (model.state.steps > 0 || model.state.version >= model.welcome.model);
	}

	/** The artifact was here at the last `hello`, so that nobody sends it, and has given way to another since. */
	get gaveArtifactAway(): boolean {
		return this.model === undefined && this.#welcome !== undefined && this.#named.includes(this.#welcome.artifact);
	}

	/** The first message after every connect, and again while it has no answer. */
	hello(): HelloMessage {
		const { id, data, maxMessageBytes, agent } = this.#settings;
		const { dtypes = this.#settings.dtypes, window = this.#settings.window } = this.twin.settings;
		this.#awaitsWelcome = true;
		this.#named = this.#models.digests.slice(-protocolLimits.maxArtifacts);
		return {
			type: "hello",
			device: id,
			session: this.session,
			protocols: protocolVersions,
			samples: { train: data?.train?.length ?? 0, validation: data?.validation?.length ?? 0 },
			classes: data?.classes ?? 0,
			inputShape: data?.shape ?? [],
			dtypes,
			maxMessageBytes,
			agent,
			artifacts: this.#named,
			deflate: true,
			window: window > 1 ? window : undefined,
			releases: this.records.ledger.durable ? this.records.ledger.totals.releases : undefined,
		};
	}

	/**
	 * Takes the aggregator's terms. The model stays as it is when they name the artifact it was made from; otherwise
	 * there is none until the new artifact is here, and the one before decides.
	 * @throws ArtifactError `PSGL_MODEL_REJECTED`, ShapeError as `onArtifact`; DataError `PSGL_LEDGER_OLD`; ConfigError `PSGL_LEDGER_VOLATILE`.
	 */
	async onWelcome(welcome: WelcomeMessage): Promise<void> {
		this.#welcome = welcome;
		this.#awaitsWelcome = false;
		const before = this.#aggregator;
		this.#aggregator = welcome.session ?? Math.min(this.#aggregator, 0) - 1;
		if (this.#aggregator !== before) this.credit.reset();
		await this.records.ledger.requireLatest(welcome.releases);
		await this.#models.agree(welcome);
		this.#notify();
	}

	/**
	 * Opens the artifact that `welcome` named; any other is ignored.
	 * @throws ArtifactError `PSGL_ARTIFACT_DIGEST`, `PSGL_ARTIFACT_PART`, `PSGL_MODEL_UNHEALTHY`, as `ModelTrust.verify` and
	 * `decodeArtifact`; ShapeError `PSGL_DEVICE_SHAPE`, `PSGL_DEVICE_CLASSES` when it does not fit the device's data; ConfigError `PSGL_LEDGER_VOLATILE`;
	 * DataError `PSGL_LEDGER_OLD`.
	 */
	async onArtifact({ digest, body }: ArtifactMessage): Promise<void> {
		const welcome = this.#welcome;
		if (welcome?.artifact !== digest) return;
		await this.#models.take(body, welcome);
		this.#notify();
	}

	/** The model was of use: it decided, or made a training step. */
	async used(): Promise<void> {
		await this.#models.used(this.#welcome);
	}

	/** Whether the model has yet to prove itself, and the one before it is kept. */
	get onTrial(): boolean {
		return this.#models.onTrial;
	}

	/** The model on trial failed: back to the one before it. */
	async rollBack(failure: PsglError): Promise<void> {
		await this.#models.rollBack(failure, this.#welcome);
		this.#notify();
	}

	/** Takes over weights; before there is a model they come too early and are asked for again. */
	async load(weights: ClientWeights, version: number): Promise<void> {
		const state = this.model?.state;
		state?.load(weights, version);
		await this.records.settle({ state, progress: null });
		this.#notify();
	}

	/** Nothing more can come of it: every wait, present and future, rejects with `error`. */
	fail(error: unknown): void {
		this.#failure ??= { error };
		this.#notify();
	}

	/** @throws what `fail` was given. */
	requireSound(): void {
		if (this.#failure !== undefined) throw this.#failure.error;
	}

	/** @throws ArtifactError `PSGL_MODEL_REJECTED` when the aggregator trains a model that failed here. */
	requireTrainable(): void {
		if (this.#welcome !== undefined) this.#models.requireNotRejected(this.#welcome.artifact);
	}

	/** Resolves when `condition` holds or the time is over. Rejects when aborted, or with what `fail` was given. */
	async until(condition: () => boolean, { clock, timeoutMs, signal }: WaitForItem): Promise<void> {
		const stop = new AbortController();
		const check = () => {
			if (condition() || this.#failure !== undefined || signal?.aborted) stop.abort();
		};
		this.#watchers.add(check);
		signal?.addEventListener("abort", check, { once: true });
		try {
			check();
			await clock.sleep(timeoutMs, stop.signal).catch(() => {});
		} finally {
			this.#watchers.delete(check);
			signal?.removeEventListener("abort", check);
		}
		signal?.throwIfAborted();
		this.requireSound();
	}

	#notify(): void {
		for (const check of [...this.#watchers]) check();
	}
}
