import { type Clock, DataError, systemClock } from "@psgl/sdk";
import { cloudLimits } from "../limits.js";
import type { Rollout } from "../rollout/rollout.js";
import type { AggregatorOptions, AggregatorResult } from "./aggregator-options.js";
import { CheckpointKeeper } from "./checkpoint-keeper.js";
import type { CheckpointStore } from "./checkpoint-store.js";
import type { AggregatorContext } from "./context.js";
import { createContext } from "./create-context.js";
import type { DecisionWeights } from "./decisions.js";
import type { KnownDevice } from "./device-telemetry.js";
import type { ClientArtifact } from "./enrolment.js";
import { EventBuffer } from "./event-buffer.js";
import type { AggregatorEvent, RoundReport, Traffic } from "./events.js";
import { fileCheckpoints } from "./file-checkpoints.js";
import { artifactPrior, fitPrior, trainedArtifact } from "./final-artifact.js";
import { checkpointsOf, type LoadedRun, loadRun } from "./load-run.js";
import { ReleaseDesk } from "./release-desk.js";
import { engineOf } from "./run-identity.js";
import { sendDesired } from "./send-desired.js";
import type { ResolvedSettings } from "./settings.js";
import type { TrainedWeights } from "./trained-weights.js";
import { Training } from "./training.js";
import { deployedWeights, type TrainingState } from "./training-state.js";
import { Uplink } from "./uplink.js";

/**
 * The cloud's half of psgl: trains the server segment together with the devices, and decides.
 *
 * @example
 * const broker = await startBroker({ port: 1883 });
 * const aggregator = await Aggregator.start({ artifact, runtime: nodeRuntime, broker, settings: { minDevices: 8 } });
 * for await (const event of aggregator.events()) {
 *   if (event.type === "round") console.log(event.round, event.validation?.fused?.balancedAccuracy);
 *   if (event.type === "end") break;
 * }
 * await writeFile("trained.psgl", (await aggregator.result).artifact);
 */
export class Aggregator implements AsyncDisposable {
	/** The settings in use, defaults filled in. */
	readonly settings: ResolvedSettings;
	/** Settles when training is over. The aggregator answers requests for decisions until it is closed. */
	readonly result: Promise<AggregatorResult>;
	/** Staged roll-outs; undefined without a folder for them, and in training. */
	readonly rollout: Rollout | undefined;
	readonly #options: AggregatorOptions;
	readonly #clock: Clock;
	readonly #checkpoints: CheckpointKeeper;
	readonly #context: AggregatorContext;
	readonly #desk: ReleaseDesk;
	readonly #uplink: Uplink;
	readonly #training: Training;
	readonly #client: ClientArtifact;
	readonly #events = new EventBuffer<AggregatorEvent>(cloudLimits.eventBuffer, (event) => event.type === "step");
	readonly #stopping = new AbortController();
	readonly #closing = new AbortController();
	readonly #broken = new AbortController();
	readonly #reading: Promise<void>;
	#decisions: DecisionWeights;
	#trained: TrainedWeights | undefined;
	#samples = 0;
	#startedAt: number | undefined;
	#reject: (error: unknown) => void = () => undefined;

	private constructor(options: AggregatorOptions, parts: LoadedRun) {
		const { artifact, broker } = options;
		this.#options = options;
		this.#client = parts.client;
		this.settings = parts.settings;
		this.#clock = options.clock ?? systemClock;
		const { keepLog = false } = options;
		const { run, place } = parts;
		this.#checkpoints = new CheckpointKeeper({ log: broker.log, run, store: checkpointsOf(options), place, keepLog });
		this.#context = createContext(options, {
			settings: parts.settings,
			clock: this.#clock,
			server: parts.server,
			history: parts.history,
			stopping: this.#stopping.signal,
			emit: (event) => this.#emit(event),
			fail: (error) => this.#fail(error),
		});
		const { model, server } = deployedWeights(parts.state);
		this.#decisions = { model, server, prior: artifactPrior(artifact) };
		this.#training = new Training({
			context: this.#context,
			state: parts.state,
			traffic: () => this.#traffic(),
			onState: (state) => this.#onState(state),
		});
		const desk = {
			context: this.#context,
			artifact: parts.client,
			maxMessageBytes: broker.maxMessageBytes,
			training: this.#training,
			decisions: () => this.#decisions,
			trained: () => this.#trained,
			twins: options.twins,
			onLeft: (device: string) => this.#uplink.forget(device),
		};
		this.rollout = parts.rollout;
		this.#desk = new ReleaseDesk(desk, parts.rollout);
		this.#uplink = new Uplink({
			log: broker.log,
			clock: this.#clock,
			maxMessageBytes: broker.maxMessageBytes,
			partialBytes: options.partialBytes ?? cloudLimits.partialBytes,
			handler: this.#desk,
			isPast: (position) => parts.history.isPast(position),
			onBytes: (device, bytes) => this.#context.telemetry.up(device, bytes),
			onRead: (position) => this.#checkpoints.read(position, this.#trained !== undefined),
		});
		const { history } = parts;
		this.#reading = history.ready
			.then(() => {
				if (options.replayOnly) return this.stop();
				return this.#uplink.run(history.resumeAt, this.#closing.signal);
			})
			.catch((error: unknown) => this.#fail(error));
		options.signal?.addEventListener("abort", () => this.stop(), { once: true });
		this.result = new Promise((resolve, reject) => {
			this.#reject = reject;
			// Whoever started the aggregator can read events before there are any.
			setImmediate(() => this.#train(parts.resumed).then(resolve, (error) => this.#fail(error)));
		});
		this.result.catch(() => undefined);
		if (options.signal?.aborted) this.stop();
	}

	/**
	 * Compiles the server segment, reads the checkpoint if there is one, and starts.
	 * @throws ConfigError `PSGL_AGGREGATOR_SETTINGS`; ArtifactError `PSGL_ARTIFACT_MEMBER`, `PSGL_RUNTIME_LOAD`,
	 * `PSGL_CHECKPOINT_MODEL`, `PSGL_MODEL_MISMATCH` when its release is of another client half; DataError `PSGL_CHECKPOINT_READ`, `PSGL_CHECKPOINT_DAMAGED`, `PSGL_CHECKPOINT_FORMAT`;
	 * as `Rollout.open`.
	 */
	static async start(options: AggregatorOptions): Promise<Aggregator> {
		return new Aggregator(options, await loadRun(options));
	}

	/** Progress from now on, for any number of readers. `end` is the last one of training; the iterator ends at `close`. */
	events(): AsyncIterableIterator<AggregatorEvent> {
		return this.#events.read();
	}

	/** Rounds finished. */
	get round(): number {
		return this.#training.state.round;
	}

	/** Version of the weights decisions are made with now. */
	get model(): number {
		return this.#decisions.model;
	}

	/** Aborts, with the error as its reason, when something ends the aggregator that must not, also when training is over. */
	get broken(): AbortSignal {
		return this.#broken.signal;
	}

	/** SHA-256 in hex of the client half that devices get. */
	get clientDigest(): string {
		return this.#client.digest;
	}

	/** Every device that said hello, by id, with what it told of itself. */
	devices(): readonly KnownDevice[] {
		return this.#context.telemetry.known(this.#context.roster);
	}

	/** Ends training after the step under way; `result` then holds the best weights up to the last finished round. */
	stop(): void {
		this.#stopping.abort();
		this.#context.changed.notify();
	}

	/**
	 * Writes the state after the last finished round to a file or another place, whole or not at all.
	 * @throws DataError `PSGL_CHECKPOINT_WRITE`.
	 */
	async checkpoint(to: string | CheckpointStore): Promise<void> {
		const { state } = this.#training;
		const store = typeof to === "string" ? fileCheckpoints(to) : to;
		await this.#checkpoints.write(store, state);
		this.#emit({ type: "checkpoint", file: store.name, round: state.round });
	}

	/** Sends a device what its twin says is wanted of it; one that is off line gets it when it comes back. */
	async sendDesired(device: string): Promise<void> {
		await sendDesired(this.#context, this.#options.twins, device);
	}

	/** Stops training and answering. The broker stays. */
	async close(): Promise<void> {
		this.stop();
		await this.result.catch(() => undefined);
		await this.#context.downlink.drained();
		this.#closing.abort();
		await this.#reading;
		this.#events.end();
		await this.#desk.close();
		await this.#context.server.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	async #train(resumed: { readonly runtime: string; readonly damaged: number } | undefined): Promise<AggregatorResult> {
		const { artifact, runtime } = this.#options;
		this.#desk.tellResumed();
		if (resumed !== undefined) {
			const { runtime: writtenBy, damaged } = resumed;
			this.#emit({ type: "resumed", round: this.round, sameRuntime: writtenBy === engineOf(this.#options), damaged });
		}
		const trained = await this.#training.run();
		const seconds = this.#startedAt === undefined ? 0 : (this.#clock.now() - this.#startedAt) / 1000;
		const prior = (await fitPrior(artifact, runtime, trained.samples, this.settings.seed)) ?? this.#decisions.prior;
		this.#decisions = { model: trained.model, server: trained.server, prior };
		this.#trained = trained;
		const { reason } = trained;
		const { round, best } = this.#training.state;
		this.#desk.sendEnd(trained);
		this.#emit({ type: "end", reason, round });
		const { audit, counts, mostWaiting } = this.#context.intake;
		return {
			reason,
			rounds: round,
			bestRound: best?.round ?? round,
			validation: this.#training.validation,
			artifact: await trainedArtifact(artifact, trained, prior, `trained for ${round} rounds, ${reason}`),
			counts: { ...counts, ...audit, samples: this.#samples, mostWaiting },
			traffic: this.#traffic(),
			seconds,
		};
	}

	async #onState(state: TrainingState): Promise<void> {
		const { model, server } = deployedWeights(state);
		this.#decisions = { model, server, prior: this.#decisions.prior };
		const { round } = state;
		await this.#options.onWeights?.({ round, client: state.client, server: state.server });
		if (!this.#context.history.isLive) return;
		const outcome = await this.#checkpoints.finished(state);
		if (outcome === "none") return;
		if (!(outcome instanceof DataError)) this.#emit({ type: "checkpoint", file: outcome.file, round });
		else this.#emit({ type: "checkpoint-failed", round, code: outcome.code, reason: outcome.message });
	}

	#emit(event: AggregatorEvent): void {
		if (event.type === "round-started") this.#startedAt ??= this.#clock.now();
		if (event.type === "round") this.#samples += (event as RoundReport).samples;
		this.#events.push(event);
	}

	#traffic(): Traffic {
		const { downlink } = this.#context;
		return {
			bytesUp: this.#uplink.bytes,
			batchBytesUp: this.#uplink.batchBytes,
			bytesDown: downlink.bytes,
			gradientBytesDown: downlink.gradientBytes,
		};
	}

	#fail(error: unknown): void {
		this.#reject(error);
		this.#broken.abort(error);
		this.#events.end({ error });
		this.stop();
		this.#closing.abort();
		this.#context.history.live();
	}
}
