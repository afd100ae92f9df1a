import { ConfigError, DataError, LimitError, PsglError } from "../errors.js";
import type { Transport } from "../ports/transport.js";
import {
	type AggregatorMessage,
	creditVersion,
	type DeviceMessage,
	refusalError,
	type StatusMessage,
	twinVersion,
} from "../protocol/index.js";
import { AggregatorLink } from "./aggregator-link.js";
import type { CompleteOptions } from "./complete-options.js";
import { checkData } from "./device-data.js";
import type { DeviceSettings } from "./device-options.js";
import { Enrolment } from "./enrolment.js";
import type { TrainingItem } from "./exchange.js";
import { Inference } from "./inference.js";
import type { Mailbox } from "./mailbox.js";
import type { ModelReport } from "./model-report.js";
import type { RoundProgress } from "./round-progress.js";
import { partsOf, type Source } from "./source.js";

/** What a device does with each message of the aggregator, whether it trains or not. */
export class Reception {
	readonly link: AggregatorLink;
	readonly #onModel: ((report: ModelReport) => void) | undefined;
	#settings: DeviceSettings;
	#enrolment: Enrolment;
	#inference: Inference;
	/** Where a running `train` reads; undefined when none runs. */
	mailbox: Mailbox<TrainingItem> | undefined;
	/** The last message handled. */
	#last: Promise<void> = Promise.resolve();

	constructor(
		settings: DeviceSettings,
		enrolment: Enrolment,
		transport: Transport,
		{ onLinkEvent, onModel }: CompleteOptions,
	) {
		this.#onModel = onModel;
		this.#settings = settings;
		this.#enrolment = enrolment;
		this.link = new AggregatorLink({
			id: settings.id,
			transport,
			clock: settings.clock,
			maxMessageBytes: settings.maxMessageBytes,
			onMessage: (message) => this.#inTurn(() => this.#receive(message)),
			status: () => {
				const { ledger, progress } = this.#enrolment.records;
				const { totals } = ledger;
				const { paused } = settings.gate;
				return {
					localAccuracy: validated(progress),
					disclosure: totals.releases > 0 || totals.budgetBits !== undefined ? totals : undefined,
					paused: paused.length > 0 ? paused : undefined,
				};
			},
			onRejected: (error) => this.mailbox?.push({ type: "rejected", error }),
			onEvent: (event) => {
				// The first message of every connection.
				if (event.type === "online") this.#hello();
				this.mailbox?.push({ type: "link", event });
				onLinkEvent?.(event);
			},
		});
		this.#inference = new Inference(settings, this.link, enrolment);
		settings.store?.watch(() => this.link.announce());
	}

	get settings(): DeviceSettings {
		return this.#settings;
	}

	get enrolment(): Enrolment {
		return this.#enrolment;
	}

	get inference(): Inference {
		return this.#inference;
	}

	/**
	 * Gives a device that connected without samples what it learns from, and introduces it anew.
	 * @throws ConfigError `PSGL_DEVICE_OPTIONS` when it has samples; as `checkData` and `Enrolment.open`.
	 */
	async takeData(source: Source): Promise<void> {
		const { id, data } = this.#settings;
		if (data !== undefined) {
			throw new ConfigError("PSGL_DEVICE_OPTIONS", {
				what: `device ${id} has samples to learn from`,
				got: "others",
				expected: "those it connected with, or was given first",
				remedy: "Give a device its samples once, or connect again with others",
			});
		}
		const settings = { ...this.#settings, data: checkData(partsOf(source)) };
		await this.#inTurn(async () => {
			this.#enrolment = await Enrolment.open(settings, this.#enrolment);
			this.#settings = settings;
			this.#inference = new Inference(settings, this.link, this.#enrolment);
		});
		if (this.link.online) this.#hello();
	}

	/** Tells the owner and the aggregator what became of models. */
	tell(): void {
		for (const report of this.#enrolment.takeReports()) {
			this.#onModel?.(report);
			this.#report(report);
		}
	}

	/** Nothing more can come of it. */
	fail(error: unknown): void {
		this.#enrolment.fail(error);
		this.mailbox?.fail(error);
	}

	#inTurn(work: () => Promise<void>): Promise<void> {
		const working = this.#last.then(work);
		this.#last = working.catch(() => undefined);
		return working;
	}

	async #receive(message: AggregatorMessage): Promise<void> {
		try {
			await this.#dispatch(message);
		} catch (error) {
			if (!(error instanceof PsglError)) throw error;
			// Its budget may be raised, and another model may come; the one before decides meanwhile, if there is one.
			if (error instanceof LimitError && error.code === "PSGL_DEVICE_MEMORY") {
				this.mailbox?.push({ type: "postponed", error });
				return this.tell();
			}
			// Without the agreed model there is no training, but the one before it can still decide: unless the device's own records
			// cannot be relied on, by which it counts what it releases.
			if (this.#enrolment.deciding !== undefined && !(error instanceof DataError)) this.mailbox?.fail(error);
			else this.fail(error);
		}
		this.tell();
		if (message.type === "welcome") this.#tellTwin();
		if (message.type === "welcome" && this.#enrolment.health !== undefined) this.#report(this.#enrolment.health);
	}

	#report(report: ModelReport): void {
		if ((this.#enrolment.welcome?.protocol ?? 1) < creditVersion) return;
		this.#send({ type: "health", device: this.#settings.id, ...report });
	}

	/** Tells the cloud what is in force. */
	#tellTwin(): void {
		const { twin, records, welcome } = this.#enrolment;
		if ((welcome?.protocol ?? 1) >= twinVersion) this.#send(twin.report(records.ledger.totals));
	}

	async #dispatch(message: AggregatorMessage): Promise<void> {
		const enrolment = this.#enrolment;
		switch (message.type) {
			case "scores":
				this.#inference.take(message);
				return;
			case "features":
				if (message.task === "infer") {
					this.#inference.take(message);
					return;
				}
				break;
			case "refused":
				if (this.#inference.take(message)) return;
				if (message.of === "hello" && !message.retry) throw refusalError(message);
				break;
			case "welcome":
				this.link.maxMessageBytes = message.maxMessageBytes;
				this.link.deflates = message.deflate === true;
				await enrolment.onWelcome(message);
				break;
			case "artifact":
				await enrolment.onArtifact(message);
				break;
			case "desired":
				await enrolment.twin.take(message);
				// A running `train` applies it between two batches.
				if (this.mailbox === undefined && enrolment.twin.apply()) this.#tellTwin();
				break;
			case "gradient":
			case "credit":
				enrolment.credit.take(message);
				break;
			case "round":
			case "end":
				if (message.type === "round") enrolment.credit.take(message);
				// A device that only infers keeps to the newest weights it sees.
				if (this.mailbox === undefined && message.tensors !== undefined) {
					await enrolment.load(message.tensors, message.model);
				}
				break;
		}
		if (this.mailbox !== undefined) this.mailbox.push({ type: "message", message });
		else this.#catchUp(message);
	}

	/** Without `train`, the device still asks for the weights of today: an artifact holds those it was compiled with. */
	#catchUp({ type }: AggregatorMessage): void {
		const { model, upToDate, gaveArtifactAway } = this.#enrolment;
		const resume = { type: "resume", device: this.#settings.id, epoch: 0, seq: 0 } as const;
		if (type === "welcome" && gaveArtifactAway) this.#send({ ...resume, awaiting: "artifact" });
		if ((type !== "welcome" && type !== "artifact") || model === undefined || upToDate) return;
		this.#send({ ...resume, awaiting: "round" });
	}

	#hello(): void {
		this.#send(this.#enrolment.hello());
	}

	/** Sends what nobody waits for. */
	#send(message: DeviceMessage): void {
		this.link.send(message).catch((error: unknown) => this.fail(error));
	}
}

/** How the local head did in the validation that just ended; undefined when none did, or had no samples. */
function validated(progress: RoundProgress | undefined): StatusMessage["localAccuracy"] {
	if (progress?.round.task !== "validate" || !progress.done || progress.samples === 0) return undefined;
	const { samples, right } = progress;
	return { accuracy: right / samples, samples };
}
