import type { Manifest } from "../artifact/index.js";
import { ArtifactError, ConfigError, ConnectionError, DataError, PsglError } from "../errors.js";
import { DatasetDigests } from "../ledger/record-digest.js";
import type { Transport, WaitOptions } from "../ports/transport.js";
import { type AggregatorMessage, creditVersion, type DisclosureTotals, refusalError } from "../protocol/index.js";
import type { Tensor } from "../tensor.js";
import { AggregatorLink } from "./aggregator-link.js";
import type { DeviceEvent } from "./device-event.js";
import { type DeviceOptions, type DeviceSettings, parseOptions } from "./device-options.js";
import { Enrolment } from "./enrolment.js";
import type { TrainingItem } from "./exchange.js";
import { type Decision, Inference, type InferOptions } from "./inference.js";
import { Mailbox } from "./mailbox.js";
import type { ModelReport } from "./model-report.js";
import { openTransport } from "./open-transport.js";
import { type Preview, preview } from "./preview.js";
import { trainingLoop } from "./training-loop.js";

export interface TrainOptions {
	/** Stops training after the running step; the iterator rejects with the signal's reason. */
	readonly signal?: AbortSignal | undefined;
}

/**
 * A device of the fleet: runs the client segment, perturbs its own data, and sends nothing but smashed data.
 *
 * @example
 * const device = await Device.connect({ url: "mqtt://broker:1883", id: "ward-3-pi", runtime: nodeRuntime, data });
 * for await (const event of device.train()) console.log(event);
 */
export class Device implements AsyncDisposable {
	readonly #settings: DeviceSettings;
	readonly #link: AggregatorLink;
	readonly #enrolment: Enrolment;
	readonly #inference: Inference;
	readonly #onModel: ((report: ModelReport) => void) | undefined;
	/** Where a running `train` reads; undefined when none runs. */
	#mailbox: Mailbox<TrainingItem> | undefined;
	#closed = false;

	private constructor(
		settings: DeviceSettings,
		enrolment: Enrolment,
		transport: Transport,
		{ onLinkEvent, onModel }: DeviceOptions,
	) {
		this.#onModel = onModel;
		this.#settings = settings;
		this.#enrolment = enrolment;
		this.#link = new AggregatorLink({
			id: settings.id,
			transport,
			clock: settings.clock,
			maxMessageBytes: settings.maxMessageBytes,
			onMessage: (message) => this.#receive(message),
			disclosure: () => {
				const { totals } = enrolment.records.ledger;
				return totals.releases > 0 || totals.budgetBits !== undefined ? totals : undefined;
			},
			onRejected: (error) => this.#mailbox?.push({ type: "rejected", error }),
			onEvent: (event) => {
				// The first message of every connection.
				if (event.type === "online") this.#hello();
				this.#mailbox?.push({ type: "link", event });
				onLinkEvent?.(event);
			},
		});
		this.#inference = new Inference(settings, this.#link, this.#enrolment);
	}

	/**
	 * Connects to the broker and introduces the device to the aggregator. Resolves when the broker has answered; tries
	 * again with growing delays until then. From there on the device reconnects by itself until `close`.
	 * @throws ConfigError `PSGL_DEVICE_OPTIONS`, `PSGL_BROKER_URL`; DataError `PSGL_DEVICE_NOT_FINITE` when a sample
	 * holds NaN or infinity; ShapeError `PSGL_DEVICE_DATA`; ConnectionError `PSGL_BROKER_REFUSED`, and
	 * `PSGL_BROKER_UNREACHABLE` after `connectDeadlineMs`; with a store ConfigError `PSGL_STORE_DEVICE`, DataError
	 * `PSGL_STORE_DAMAGED`, `PSGL_STORE_FORMAT`, `PSGL_STORE_WRITE`; ConfigError `PSGL_LEDGER_DEVICE`, `PSGL_LEDGER_VOLATILE` and DataError
	 * `PSGL_LEDGER_DAMAGED`, `PSGL_LEDGER_OLD` of its disclosure ledger.
	 */
	static async connect(options: DeviceOptions): Promise<Device> {
		const settings = parseOptions(options);
		const transport = await openTransport(options, settings);
		let enrolment: Enrolment;
		try {
			enrolment = await Enrolment.open(settings);
		} catch (error) {
			await transport.close();
			await settings.store?.close();
			throw error;
		}
		const device = new Device(settings, enrolment, transport, options);
		device.#tell();
		try {
			await device.#link.open(options.signal);
		} catch (error) {
			await device.close();
			throw error;
		}
		return device;
	}

	get id(): string {
		return this.#settings.id;
	}

	/** SHA-256 (hex) of the artifact the device decides with; undefined until it has one. */
	get artifact(): string | undefined {
		return this.#enrolment.deciding?.segment.digest;
	}

	/** True while the link to the broker is up. */
	get online(): boolean {
		return this.#link.online;
	}

	/** What the device has ever released of its records; without a store, since the process started. */
	get disclosure(): DisclosureTotals {
		return this.#enrolment.records.ledger.totals;
	}

	/** Payload bytes sent so far. */
	get bytesUp(): number {
		return this.#link.bytesUp;
	}

	/** Payload bytes received so far. */
	get bytesDown(): number {
		return this.#link.bytesDown;
	}

	/**
	 * Takes part in training until the aggregator ends it, over lost links and restarts of the aggregator. The iterator
	 * is pulled: a reader that stops reading pauses the device.
	 * @throws ConfigError `PSGL_DEVICE_NO_DATA`, `PSGL_DEVICE_BUSY` when it trains already; ArtifactError when the
	 * artifact cannot be used; ShapeError `PSGL_DEVICE_SHAPE`, `PSGL_DEVICE_CLASSES`, `PSGL_DEVICE_LABELS` when it does not fit the data;
	 * NumericError `PSGL_DEVICE_DIVERGED`; LimitError `PSGL_OUTBOX_FULL`, `PSGL_OUTBOX_EXPIRED`; DataError
	 * `PSGL_STORE_WRITE`; ConnectionError `PSGL_DEVICE_CLOSED`; and the error of an answer that could not be used five times
	 * in a row; ConfigError `PSGL_LEDGER_VOLATILE`, DataError `PSGL_LEDGER_OLD` where the artifact sets a disclosure budget.
	 */
	async *train({ signal }: TrainOptions = {}): AsyncGenerator<DeviceEvent, void> {
		const { data, id, clock, noise, answerTimeoutMs } = this.#settings;
		if (data === undefined) {
			throw new ConfigError("PSGL_DEVICE_NO_DATA", {
				what: `device ${id} has nothing to train on`,
				remedy: "Give Device.connect data",
			});
		}
		if (this.#mailbox !== undefined) {
			throw new ConfigError("PSGL_DEVICE_BUSY", {
				what: `device ${id} trains already`,
				remedy: "Read the iterator of the first call to its end, or stop it",
			});
		}
		const enrolment = this.#enrolment;
		enrolment.requireSound();
		enrolment.requireTrainable();
		const mailbox = new Mailbox<TrainingItem>();
		this.#mailbox = mailbox;
		try {
			const link = this.#link;
			const digests = new DatasetDigests();
			const training = { id, link, enrolment, mailbox, clock, answerTimeoutMs, signal, noise, digests };
			for await (const event of trainingLoop(training, data)) {
				this.#tell();
				yield event;
			}
		} catch (error) {
			if (enrolment.onTrial && error instanceof ArtifactError) await enrolment.rollBack(error);
			throw error;
		} finally {
			this.#tell();
			this.#mailbox = undefined;
		}
	}

	/**
	 * Resolves when the device has the aggregator's artifact and weights, with what the artifact says of itself: the
	 * shape of a sample, the classes.
	 * @throws ConnectionError `PSGL_DEVICE_NO_MODEL` when no aggregator answers within `inferTimeoutMs`; the signal's
	 * reason when aborted.
	 */
	async ready({ signal }: WaitOptions = {}): Promise<Manifest> {
		this.#enrolment.requireSound();
		return (await this.#inference.ready(signal)).segment.artifact.manifest;
	}

	/**
	 * Decides what is in samples [B,C,H,W] or [B,C,L], values in [0,1]: sends their smashed data and gets the decision of
	 * the whole system; when the link is down or no answer comes within `inferTimeoutMs`, the local head decides. May be
	 * called while the device trains.
	 * @throws ShapeError `PSGL_DEVICE_SHAPE`; DataError `PSGL_DEVICE_NOT_FINITE`; ConnectionError `PSGL_DEVICE_NO_MODEL`
	 * when the device has never reached an aggregator, `PSGL_DEVICE_CLOSED`; the signal's reason when aborted.
	 */
	async infer(samples: Tensor<"float32">, options: InferOptions = {}): Promise<Decision> {
		this.#enrolment.requireSound();
		try {
			return await this.#inference.decide(samples, options);
		} finally {
			this.#tell();
		}
	}

	/**
	 * Shows what would leave of samples [B,...] at a decision: perturbs them and runs the client segment, and sends nothing.
	 * @throws as `infer`.
	 */
	async preview(samples: Tensor<"float32">, { signal }: WaitOptions = {}): Promise<Preview> {
		this.#enrolment.requireSound();
		return preview(await this.#inference.ready(signal), samples);
	}

	/** Leaves: tells the aggregator, ends the connection, stops `train`. */
	async close(): Promise<void> {
		if (this.#closed) return;
		this.#closed = true;
		this.#fail(
			new ConnectionError("PSGL_DEVICE_CLOSED", {
				what: `device ${this.id} is closed`,
				remedy: "Connect a new device",
			}),
		);
		await this.#link.close();
		await this.#enrolment.records.close();
		if (this.#settings.ownsSegments) await this.#settings.segments.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	async #receive(message: AggregatorMessage): Promise<void> {
		try {
			await this.#dispatch(message);
		} catch (error) {
			if (!(error instanceof PsglError)) throw error;
			// Without the agreed model there is no training, but the one before it can still decide: unless the device's own records
			// cannot be relied on, by which it counts what it releases.
			if (this.#enrolment.deciding !== undefined && !(error instanceof DataError)) this.#mailbox?.fail(error);
			else this.#fail(error);
		}
		this.#tell();
		if (message.type === "welcome" && this.#enrolment.health !== undefined) this.#report(this.#enrolment.health);
	}

	/** Tells the owner and the aggregator what became of models. */
	#tell(): void {
		for (const report of this.#enrolment.takeReports()) {
			this.#onModel?.(report);
			this.#report(report);
		}
	}

	#report(report: ModelReport): void {
		if ((this.#enrolment.welcome?.protocol ?? 1) < creditVersion) return;
		this.#send({ type: "health", device: this.id, ...report });
	}

	async #dispatch(message: AggregatorMessage): Promise<void> {
		const enrolment = this.#enrolment;
		switch (message.type) {
			case "scores":
				this.#inference.take(message);
				return;
			case "refused":
				if (this.#inference.take(message)) return;
				if (message.of === "hello" && !message.retry) throw refusalError(message);
				break;
			case "welcome":
				this.#link.maxMessageBytes = message.maxMessageBytes;
				await enrolment.onWelcome(message);
				break;
			case "artifact":
				await enrolment.onArtifact(message);
				break;
			case "gradient":
			case "credit":
				enrolment.credit.take(message);
				break;
			case "round":
			case "end":
				if (message.type === "round") enrolment.credit.take(message);
				// A device that only infers keeps to the newest weights it sees.
				if (this.#mailbox === undefined && message.tensors !== undefined) {
					await enrolment.load(message.tensors, message.model);
				}
				break;
		}
		if (this.#mailbox !== undefined) this.#mailbox.push({ type: "message", message });
		else this.#catchUp(message);
	}

	/** Without `train`, the device still asks for the weights of today: an artifact holds those it was compiled with. */
	#catchUp({ type }: AggregatorMessage): void {
		const { model, upToDate } = this.#enrolment;
		if ((type !== "welcome" && type !== "artifact") || model === undefined || upToDate) return;
		this.#send({ type: "resume", device: this.id, awaiting: "round", epoch: 0, seq: 0 });
	}

	#hello(): void {
		this.#send(this.#enrolment.hello());
	}

	/** Sends what nobody waits for. */
	#send(message: Parameters<AggregatorLink["send"]>[0]): void {
		this.#link.send(message).catch((error: unknown) => this.#fail(error));
	}

	#fail(error: unknown): void {
		this.#enrolment.fail(error);
		this.#mailbox?.fail(error);
	}
}
