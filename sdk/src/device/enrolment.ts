import { ArtifactError, PsglError } from "../errors.js";
import { seededRandom } from "../ports/random.js";
import {
	type ArtifactMessage,
	type ClientWeights,
	type HelloMessage,
	protocolLimits,
	protocolVersions,
	type WelcomeMessage,
} from "../protocol/index.js";
import { ModelTrust } from "../trust/model-trust.js";
import { checkHealth, unhealthy } from "./check-health.js";
import type { ClientSegment } from "./client-segment.js";
import { ClientState } from "./client-state.js";
import { Credit } from "./credit.js";
import { requireFit } from "./device-data.js";
import type { DeviceSettings } from "./device-options.js";
import { DeviceRecords, type RestoredDevice } from "./device-records.js";
import { GradientScrutiny } from "./gradient-scrutiny.js";
import type { WaitForItem } from "./mailbox.js";
import type { ModelReport } from "./model-report.js";
import { PerturbationStore } from "./perturbation-store.js";

/** What a device runs: the agreed settings, the compiled client segment, and the weights that are its own. */
export interface ClientModel {
	readonly welcome: WelcomeMessage;
	readonly segment: ClientSegment;
	readonly state: ClientState;
	/** Perturbations of the training samples; undefined where robust training is off. */
	readonly perturbations: PerturbationStore | undefined;
	readonly scrutiny: GradientScrutiny;
}

/** How a device becomes part of the fleet: `hello`, `welcome`, `artifact`. */
export class Enrolment {
	/** What outlasts the process. */
	readonly records: DeviceRecords;
	readonly #settings: DeviceSettings;
	/** Which artifacts the device takes; undefined where its owner named no signers. */
	readonly #trust: ModelTrust | undefined;
	#welcome: WelcomeMessage | undefined;
	#model: ClientModel | undefined;
	/** Decides while the model the aggregator names is not there, or failed here. */
	#standby: ClientModel | undefined;
	readonly #reports: ModelReport[] = [];
	/** Batches the aggregator has room for. */
	readonly credit = new Credit();
	#awaitsWelcome = false;
	#aggregator = -1;
	#failure: { readonly error: unknown } | undefined;
	readonly #watchers = new Set<() => void>();

	private constructor(settings: DeviceSettings, records: DeviceRecords, trust: ModelTrust | undefined) {
		this.#settings = settings;
		this.#trust = trust;
		this.records = records;
	}

	/**
	 * Reads what the device has kept, if it has a store.
	 * @throws ConfigError `PSGL_STORE_DEVICE`; DataError `PSGL_STORE_DAMAGED`, `PSGL_STORE_FORMAT`, `PSGL_STORE_WRITE`;
	 * ArtifactError as `ModelTrust.open`.
	 */
	static async open(settings: DeviceSettings): Promise<Enrolment> {
		const records = await DeviceRecords.open(settings);
		const { root, store, clock } = settings;
		const enrolment = new Enrolment(settings, records, root && (await ModelTrust.open({ root, store, clock })));
		const { budgetBits } = settings;
		if (budgetBits !== undefined) await records.ledger.accept({ release: "every-epoch", budgetBits });
		await enrolment.#restore();
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
		return this.#model;
	}

	/** What decides: the agreed model, or the one the device had before. */
	get deciding(): ClientModel | undefined {
		return this.#model ?? this.#standby;
	}

	/** What became of models since this was asked last. */
	takeReports(): readonly ModelReport[] {
		return this.#reports.splice(0);
	}

	/** What the aggregator is told of the model it names, after each `welcome`; undefined where the device keeps no models. */
	get health(): ModelReport | undefined {
		const { slots } = this.records;
		const artifact = this.#welcome?.artifact;
		if (slots === undefined || artifact === undefined) return undefined;
		const failed = slots.rejection(artifact);
		if (failed !== undefined) return { artifact, state: "rejected", code: failed.code, what: failed.what };
		if (slots.digests[0] !== artifact) return undefined;
		return { artifact, state: slots.onTrial ? "trial" : "confirmed" };
	}

	/** The device can run, and not on weights from before the ones it was told of in `welcome`. */
	get upToDate(): boolean {
		const model = this.#model;
		if (this.#welcome === undefined) return false;
		return model !== undefined && (model.state.steps > 0 || model.state.version >= model.welcome.model);
	}

	/** The first message after every connect, and again while it has no answer. */
	hello(): HelloMessage {
		const { id, data, dtypes, maxMessageBytes, agent, segments } = this.#settings;
		this.#awaitsWelcome = true;
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
			artifacts: [...new Set([...segments.digests.filter((d) => this.#holds(d)), ...this.#stored])].slice(
				-protocolLimits.maxArtifacts,
			),
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
		const { artifact } = welcome;
		if (this.deciding?.segment.digest !== artifact) this.#standBy();
		const failed = this.records.slots?.rejection(artifact);
		if (failed !== undefined) throw rejected(failed.what);
		const staged = await this.records.staged(artifact);
		if (staged !== undefined) return this.#adopt(staged, welcome);
		this.#trust?.check(artifact);
		const segment = this.#holds(artifact) ? await this.#settings.segments.get(artifact) : undefined;
		if (segment !== undefined) await this.#use(segment, welcome, undefined);
		else this.#standBy();
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
		const failed = this.records.slots?.rejection(digest);
		if (failed !== undefined) throw rejected(failed.what);
		// What comes twice is adopted once.
		if (this.#model?.segment.digest === digest) return;
		if (this.records.slots?.active !== undefined) await this.#adopt(body, welcome);
		else await this.#use(await this.#open(body, digest), welcome, body);
	}

	/** The model was of use: it decided, or made a training step. */
	async used(): Promise<void> {
		if (!(await this.records.used())) return;
		const artifact = this.records.slots?.digests[0] as string;
		await this.#trust?.confirm(artifact);
		this.#report({ artifact, state: "confirmed" });
	}

	/** Whether the model has yet to prove itself, and the one before it is kept. */
	get onTrial(): boolean {
		return this.records.slots?.onTrial ?? false;
	}

	/** The model on trial failed: back to the one before it. */
	async rollBack({ code, what }: PsglError): Promise<void> {
		const artifact = this.records.slots?.digests[0] as string;
		const restored = await this.records.rollBack(code, what);
		this.#model = undefined;
		this.#standby = restored && (await this.#reopen(restored));
		if (this.#standby?.segment.digest === this.#welcome?.artifact) this.#model = this.#standby;
		this.#report({ artifact, state: "rolled-back", code, what });
		this.#notify();
	}

	/** Takes over weights; before there is a model they come too early and are asked for again. */
	async load(weights: ClientWeights, version: number): Promise<void> {
		const state = this.#model?.state;
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
		const failed = this.#welcome && this.records.slots?.rejection(this.#welcome.artifact);
		if (failed !== undefined) throw rejected(failed.what);
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

	/** The model of the store, unless its artifact can no longer be used: then it is fetched again. */
	async #restore(): Promise<void> {
		let restored = this.records.takeRestored();
		const { slots } = this.records;
		if (slots?.isExhausted) {
			const [artifact = ""] = slots.digests;
			const { code, what } = unhealthy("the device does not last with it", "starts without a use", "a use");
			restored = await this.records.rollBack(code, what);
			this.#report({ artifact, state: "rolled-back", code, what });
		}
		if (restored === undefined) return;
		const model = await this.#reopen(restored);
		if (model === undefined) return;
		this.#aggregator = restored.progress?.aggregator ?? this.#aggregator;
		this.#model = model;
	}

	/** A model of the store; undefined when its artifact can no longer be used. */
	async #reopen({ welcome, artifact, client, perturbations }: RestoredDevice): Promise<ClientModel | undefined> {
		let segment: ClientSegment;
		try {
			segment = await this.#open(artifact, welcome.artifact);
		} catch (error) {
			if (error instanceof ArtifactError) return undefined;
			throw error;
		}
		await this.records.ledger.accept(segment.artifact.manifest.disclosure);
		const model = this.#modelOf(segment, welcome);
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
			this.#requireUsable(segment);
			await this.records.ledger.accept(segment.artifact.manifest.disclosure);
			await this.records.stage(welcome, artifact);
			if (this.records.slots?.endsProcesses)
				throw unhealthy("the process ended while it was checked", "ends", "answers");
			await checkHealth({ ...this.#modelOf(segment, welcome), state: new ClientState(segment.artifact) }, data, before);
			const restored = await this.records.activate(welcome);
			const model = this.#modelOf(segment, welcome);
			if (restored?.client !== undefined) model.state.restore(restored.client);
			this.#standby = undefined;
			this.#model = model;
		} catch (error) {
			if (!(error instanceof PsglError)) throw error;
			const { code, what } = error;
			// Else another time, with other bytes, a clock that is set or other data, it may be taken.
			if (code === "PSGL_MODEL_UNHEALTHY") await this.records.reject({ digest, code, what });
			this.#report({ artifact: digest, state: "rejected", code, what });
			throw error;
		}
		this.#report({ artifact: digest, state: "trial" });
		this.#notify();
	}

	/** Until the agreed model is here the one before it decides. */
	#standBy(): void {
		this.#standby = this.deciding;
		this.#model = undefined;
	}

	#report(report: ModelReport): void {
		this.#reports.push(report);
	}

	get #stored(): readonly string[] {
		return this.#trust === undefined ? (this.records.slots?.digests ?? []) : [];
	}

	/** Whether an artifact need not be fetched: one that another device of the process opened has to be checked all the same. */
	#holds(digest: string): boolean {
		return this.records.holds(digest) && (this.#trust?.has(digest) ?? true);
	}

	/** What is not to be trusted is not unpacked. */
	async #open(artifact: Uint8Array, digest: string): Promise<ClientSegment> {
		await this.#trust?.verify(artifact, digest);
		// On trial an older model may be needed again.
		if (!this.onTrial) await this.#trust?.confirm(digest);
		return this.#settings.segments.open(artifact, digest);
	}

	async #use(segment: ClientSegment, welcome: WelcomeMessage, artifact: Uint8Array | undefined): Promise<void> {
		this.#requireUsable(segment);
		await this.records.ledger.accept(segment.artifact.manifest.disclosure);
		await this.records.enrolled(welcome, artifact);
		this.#model = this.#modelOf(segment, welcome);
		this.#standby = undefined;
		this.#notify();
	}

	#requireUsable(segment: ClientSegment): void {
		const { manifest } = segment.artifact;
		if (manifest.part !== "client") {
			throw new ArtifactError("PSGL_ARTIFACT_PART", {
				what: "the aggregator sent an artifact with both halves of the network",
				got: `part ${manifest.part}`,
				expected: "part client",
				remedy: "Give the aggregator's devices the client half only",
			});
		}
		const { data } = this.#settings;
		if (data !== undefined) requireFit(manifest, data);
	}

	#modelOf(segment: ClientSegment, welcome: WelcomeMessage): ClientModel {
		const known = this.deciding?.segment === segment ? this.deciding : undefined;
		return {
			welcome,
			segment,
			state: known?.state ?? new ClientState(segment.artifact),
			perturbations: this.#perturbations(welcome, segment, known?.perturbations),
			scrutiny: known?.scrutiny ?? new GradientScrutiny(),
		};
	}

	#perturbations(
		welcome: WelcomeMessage,
		segment: ClientSegment,
		known: PerturbationStore | undefined,
	): PerturbationStore | undefined {
		const { id, data } = this.#settings;
		const budget = welcome.robustBudget;
		// The graphs of an artifact without robust training have no input for it.
		if (budget === 0 || segment.artifact.manifest.robustBudget === 0 || data?.train === undefined) return undefined;
		if (known?.budget === budget) return known;
		return new PerturbationStore({
			samples: data.train.length,
			shape: data.shape,
			budget,
			random: deviceRandom(welcome, id).fork("perturbation"),
		});
	}
}

function rejected(what: string): ArtifactError {
	return new ArtifactError("PSGL_MODEL_REJECTED", {
		what: "the aggregator names a model that failed on this device before",
		got: what,
		remedy: "Serve the model before it, or a corrected one",
	});
}

/** The generator of a device's training, from the run's seed and the device's id: a seed gives the same run. */
export function deviceRandom(welcome: WelcomeMessage, id: string) {
	return seededRandom(welcome.seed).fork(id);
}
