import type { Manifest } from "../artifact/index.js";
import { ArtifactError, ConfigError, ConnectionError, PsglError } from "../errors.js";
import { DatasetDigests } from "../ledger/record-digest.js";
import type { WaitOptions } from "../ports/transport.js";
import type { DisclosureTotals, PauseReason } from "../protocol/index.js";
import type { Tensor } from "../tensor.js";
import { completeOptions } from "./complete-options.js";
import type { DeviceEvent } from "./device-event.js";
import { type DeviceOptions, parseOptions } from "./device-options.js";
import { Enrolment } from "./enrolment.js";
import type { TrainingItem } from "./exchange.js";
import type { Decision, InferOptions } from "./inference.js";
import { Mailbox } from "./mailbox.js";
import { openTransport } from "./open-transport.js";
import { type Preview, preview } from "./preview.js";
import { Reception } from "./reception.js";
import { ShownLabels } from "./shown-labels.js";
import { isSource, type Source } from "./source.js";
import { tellStoragePauses } from "./storage-pauses.js";
import { trainingLoop } from "./training-loop.js";

/** How a write ends that waits when the device is closed. */
const storeEnds: readonly string[] = ["PSGL_STORE_WRITE", "PSGL_STORE_CLOSED"];

export interface TrainOptions {
	/** Stops training after the running step; the iterator rejects with the signal's reason. */
	readonly signal?: AbortSignal | undefined;
}

/**
 * A device of the fleet: runs the client segment, perturbs its own data, and sends nothing but smashed data.
 *
 * @example
 * const device = await Device.connect({ kit: "ward-3.kit.json" });
 * for await (const event of device.train(await loadData("pictures", { seed: 1 }))) console.log(event);
 */
export class Device implements AsyncDisposable {
	readonly #reception: Reception;
	#closed = false;

	private constructor(reception: Reception) {
		this.#reception = reception;
	}

	/**
	 * Connects to the broker and introduces the device to the aggregator. Resolves when the broker has answered, with `awaitBroker: false` at once;
	 * tries again with growing delays until then. From there on the device reconnects by itself until `close`.
	 * @throws ConfigError `PSGL_DEVICE_OPTIONS`, `PSGL_BROKER_URL`, `PSGL_KIT`, `PSGL_BUDGET`; DataError `PSGL_DEVICE_NOT_FINITE` when a sample
	 * holds NaN or infinity; ShapeError `PSGL_DEVICE_DATA`; ConnectionError `PSGL_BROKER_REFUSED`, and
	 * `PSGL_BROKER_UNREACHABLE` after `connectDeadlineMs`; with a store ConfigError `PSGL_STORE_DEVICE`, DataError
	 * `PSGL_STORE_DAMAGED`, `PSGL_STORE_FORMAT`, `PSGL_STORE_WRITE`; ConfigError `PSGL_LEDGER_DEVICE`, `PSGL_LEDGER_VOLATILE` and DataError
	 * `PSGL_LEDGER_DAMAGED`, `PSGL_LEDGER_OLD` of its disclosure ledger.
	 */
	static async connect(options: DeviceOptions): Promise<Device> {
		const complete = await completeOptions(options);
		const settings = parseOptions(complete);
		settings.gate.giveWay();
		const transport = await openTransport(complete, settings);
		let enrolment: Enrolment;
		try {
			enrolment = await Enrolment.open(settings);
		} catch (error) {
			await transport.close();
			await settings.store?.close();
			throw error;
		}
		settings.store?.wait();
		const reception = new Reception(settings, enrolment, transport, complete);
		const device = new Device(reception);
		reception.tell();
		const opened = reception.link.open(options.signal);
		if (options.awaitBroker === false) {
			opened.catch((error: unknown) => reception.fail(error));
			return device;
		}
		try {
			await opened;
		} catch (error) {
			await device.close();
			throw error;
		}
		return device;
	}

	get id(): string {
		return this.#reception.settings.id;
	}

	/** SHA-256 (hex) of the artifact the device decides with; undefined until it has one. */
	get artifact(): string | undefined {
		return this.#reception.enrolment.deciding?.segment.digest;
	}

	/** True while the link to the broker is up. */
	get online(): boolean {
		return this.#reception.link.online;
	}

	/** What the device has ever released of its records; without a store, since the process started. */
	get disclosure(): DisclosureTotals {
		return this.#reception.enrolment.records.ledger.totals;
	}

	/** Why the device does not train at the moment, by its budget or for want of room in its store; empty while it may. */
	get paused(): readonly PauseReason[] {
		return this.#reception.settings.gate.paused;
	}

	/** Payload bytes sent so far. */
	get bytesUp(): number {
		return this.#reception.link.bytesUp;
	}

	/** Payload bytes received so far. */
	get bytesDown(): number {
		return this.#reception.link.bytesDown;
	}

	/**
	 * Takes part in training until the aggregator ends it, over lost links and restarts of the aggregator. The iterator
	 * is pulled: a reader that stops reading pauses the device.
	 * @param source what a device learns from that connected without `data`. To go on in the middle of a round after a crash, give it to
	 * `Device.connect`: what the device tells the aggregator first depends on it.
	 * @throws ConfigError `PSGL_DEVICE_NO_DATA`, `PSGL_DEVICE_BUSY` when it trains already, `PSGL_DEVICE_OPTIONS` when it has other data;
	 * DataError `PSGL_DEVICE_NOT_FINITE`, ShapeError `PSGL_DEVICE_DATA`; ArtifactError when the
	 * artifact cannot be used; ShapeError `PSGL_DEVICE_SHAPE`, `PSGL_DEVICE_CLASSES`, `PSGL_DEVICE_LABELS` when it does not fit the data;
	 * NumericError `PSGL_DEVICE_DIVERGED`; LimitError `PSGL_OUTBOX_FULL`, `PSGL_OUTBOX_EXPIRED`; ConnectionError `PSGL_DEVICE_CLOSED`; and the error of an answer that could not be used five times
	 * in a row; ConfigError `PSGL_LEDGER_VOLATILE`, DataError `PSGL_LEDGER_OLD` where the artifact sets a disclosure budget; LimitError
	 * `PSGL_DEVICE_MEMORY` where the budget's memory does not take the model.
	 */
	train(source: Source, options?: TrainOptions): AsyncGenerator<DeviceEvent, void>;
	train(options?: TrainOptions): AsyncGenerator<DeviceEvent, void>;
	async *train(given: Source | TrainOptions = {}, more: TrainOptions = {}): AsyncGenerator<DeviceEvent, void> {
		const source = isSource(given) ? given : undefined;
		const { signal } = isSource(given) ? more : given;
		const reception = this.#reception;
		if (reception.mailbox !== undefined) {
			throw new ConfigError("PSGL_DEVICE_BUSY", {
				what: `device ${this.id} trains already`,
				remedy: "Read the iterator of the first call to its end, or stop it",
			});
		}
		const mailbox = new Mailbox<TrainingItem>();
		reception.mailbox = mailbox;
		try {
			if (source !== undefined) await reception.takeData(source);
			const { link, enrolment } = reception;
			const { data, id, clock, gate, store, noise, answerTimeoutMs } = reception.settings;
			if (data === undefined) {
				throw new ConfigError("PSGL_DEVICE_NO_DATA", {
					what: `device ${id} has nothing to train on`,
					remedy: "Give Device.connect data, or train a source",
				});
			}
			enrolment.requireSound();
			enrolment.requireTrainable();
			const digests = new DatasetDigests();
			const labels = new ShownLabels({ ledger: enrolment.records.ledger, digests, noise });
			const times = { clock, answerTimeoutMs, signal };
			const training = { id, link, enrolment, mailbox, gate, store, noise, digests, labels, ...times };
			for await (const event of tellStoragePauses(trainingLoop(training, data), { gate, store, signal })) {
				reception.tell();
				yield event;
			}
		} catch (error) {
			const { enrolment } = reception;
			// A write that waited for its storage to the end tells of that alone.
			if (this.#closed && error instanceof PsglError && storeEnds.includes(error.code)) enrolment.requireSound();
			if (enrolment.onTrial && error instanceof ArtifactError) await enrolment.rollBack(error);
			throw error;
		} finally {
			reception.tell();
			reception.mailbox = undefined;
		}
	}

	/**
	 * Resolves when the device has the aggregator's artifact and weights, or, while the link is down, those it kept, with what the artifact says of
	 * itself: the shape of a sample, the classes.
	 * @throws ConnectionError `PSGL_DEVICE_NO_MODEL` when no aggregator answers within `inferTimeoutMs`; the signal's
	 * reason when aborted.
	 */
	async ready({ signal }: WaitOptions = {}): Promise<Manifest> {
		this.#reception.enrolment.requireSound();
		return (await this.#reception.inference.ready(signal)).segment.artifact.manifest;
	}

	/**
	 * Decides what is in samples [B,C,H,W] or [B,C,L], values in [0,1]: sends their smashed data and gets the decision of
	 * the whole system; when the link is down or no answer comes within `inferTimeoutMs`, the local head decides. May be
	 * called while the device trains.
	 * @throws ShapeError `PSGL_DEVICE_SHAPE`; DataError `PSGL_DEVICE_NOT_FINITE`; ConnectionError `PSGL_DEVICE_NO_MODEL`
	 * when the device has never reached an aggregator, `PSGL_DEVICE_CLOSED`; the signal's reason when aborted.
	 */
	async infer(samples: Tensor<"float32">, options: InferOptions = {}): Promise<Decision> {
		this.#reception.enrolment.requireSound();
		try {
			return await this.#reception.inference.decide(samples, options);
		} finally {
			this.#reception.tell();
		}
	}

	/**
	 * Shows what would leave of samples [B,...] at a decision: perturbs them and runs the client segment, and sends nothing.
	 * @throws as `infer`.
	 */
	async preview(samples: Tensor<"float32">, { signal }: WaitOptions = {}): Promise<Preview> {
		this.#reception.enrolment.requireSound();
		return preview(await this.#reception.inference.ready(signal), samples);
	}

	/** Leaves: tells the aggregator, ends the connection, stops `train`. */
	async close(): Promise<void> {
		if (this.#closed) return;
		this.#closed = true;
		this.#reception.fail(
			new ConnectionError("PSGL_DEVICE_CLOSED", {
				what: `device ${this.id} is closed`,
				remedy: "Connect a new device",
			}),
		);
		await this.#reception.link.close();
		await this.#reception.enrolment.records.close();
		if (this.#reception.settings.ownsSegments) await this.#reception.settings.segments.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}
}
