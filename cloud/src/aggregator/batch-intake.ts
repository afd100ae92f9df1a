import { PsglError } from "@psgl/sdk";
import {
	type BatchMessage,
	type FeaturesMessage,
	type ForwardMessage,
	type GradientMessage,
	type RefusedMessage,
	refuse,
	type WireDType,
} from "@psgl/sdk/protocol";
import { cloudLimits } from "../limits.js";
import { AnswerCache } from "./answer-cache.js";
import { BatchAdmission } from "./batch-admission.js";
import { BatchTraces } from "./batch-traces.js";
import type { Downlink } from "./downlink.js";
import type { AggregatorEvent } from "./events.js";
import type { BatchIdentity } from "./ledger.js";
import { batchMissing, intakeFull, labelsMisplaced, roundOver } from "./refusals.js";
import type { Entries } from "./run-record.js";
import type { ServerSegment } from "./server-segment.js";
import type { DeviceBatch } from "./step-batches.js";
import { requireAgreed } from "./wire-terms.js";

/** A batch that waits for its server step. */
export interface ReadyBatch extends DeviceBatch {
	readonly identity: BatchIdentity;
	/** Where it lies in the log. */
	readonly entries: Entries;
}

export interface BatchIntakeOptions {
	readonly server: ServerSegment;
	readonly downlink: Downlink;
	/** Batches that may be under way or wait for their step at a time. */
	readonly places: number;
	readonly emit: (event: AggregatorEvent) => void;
	/** Writes down that a batch was refused. */
	readonly record: (refused: BatchIdentity) => void;
	/** Whether a device waits for credit before it sends. */
	readonly speaksCredit: (device: string) => boolean;
	/** Element type that was agreed with a device for smashed data. */
	readonly agreed: (device: string) => WireDType | undefined;
	/** Batches a device may have under way at a time. */
	readonly window: (device: string) => number;
	/** The most any device may. */
	readonly largestWindow: number;
	/** A device that had to wait may go on. */
	readonly onCredit: () => void;
}

/** Where batches come in and their answers go out: each takes effect once, and every copy gets the same answer. */
export class BatchIntake extends BatchAdmission {
	readonly #options: BatchIntakeOptions;
	readonly #traces = new BatchTraces();
	readonly #answers: AnswerCache;

	constructor(options: BatchIntakeOptions) {
		super(options.places, (device, { epoch, upTo }) => {
			if (options.speaksCredit(device)) options.downlink.send({ type: "credit", device, epoch, upTo });
			options.onCredit();
		});
		this.#options = options;
		this.#answers = new AnswerCache(Math.max(cloudLimits.answersKept, 2 * options.largestWindow));
	}

	/** `device` may send batches of `epoch`, as many at a time as was agreed with it. */
	override open(device: string, epoch: number): void {
		super.open(device, epoch, this.#options.window(device));
		this.#traces.begun(device);
	}

	override close(device: string): void {
		super.close(device);
		this.#traces.done(device);
	}

	/** Batches of its epoch that `device` may send; undefined when it does not ask for credit. */
	credit(device: string): number | undefined {
		return this.#options.speaksCredit(device) ? this.grant(device)?.upTo : undefined;
	}

	/** A device asks for its credit again. */
	askedForCredit(device: string, epoch: number): void {
		const grant = this.grant(device);
		if (grant?.epoch === epoch) this.#options.downlink.send({ type: "credit", device, epoch, upTo: grant.upTo });
		else this.#send(refuse(device, roundOver(epoch), { type: "batch", epoch }, false));
	}

	/** Forgets the answers to a device that has forgotten its questions. */
	forget(device: string): void {
		this.#answers.forget(device);
	}

	/** The batch, if it is new and can be used; everything else is answered here. */
	async take(message: BatchMessage | ForwardMessage, entries: Entries): Promise<ReadyBatch | undefined> {
		const { type, device, epoch, seq, tensors } = message;
		const identity = { device, epoch, seq };
		const verdict = this.offer(identity);
		if (verdict !== "new") {
			if (verdict === "full") this.#send(refuse(device, intakeFull(), { type, ...identity }, true));
			else if (type === "forward" && (verdict === "waiting" || verdict === "answered")) this.askedForFeatures(identity);
			else if (verdict !== "waiting") this.#answerAgain(identity, verdict === "answered");
			return undefined;
		}
		this.#traces.received(identity);
		try {
			requireAgreed(tensors.smashed, this.#options.agreed(device));
			return { identity, entries, ...(await this.#decode(tensors)) };
		} catch (error) {
			if (!(error instanceof PsglError)) throw error;
			this.refuse(identity, error);
			return undefined;
		}
	}

	/** Takes a batch out of the log that had its effect before. */
	async takeAgain(message: BatchMessage | ForwardMessage, entries: Entries): Promise<ReadyBatch> {
		const { device, epoch, seq, tensors } = message;
		const identity = { device, epoch, seq };
		this.admitAgain(identity);
		return { identity, entries, ...(await this.#decode(tensors)) };
	}

	override applied(identity: BatchIdentity): void {
		super.applied(identity);
		this.#traces.applied(identity);
	}

	/** Sends the gradient of a batch that was applied. */
	reply(message: GradientMessage): void {
		const { device } = message;
		const credit = this.#options.speaksCredit(device) ? this.creditAfter(message) : undefined;
		const answer = credit === undefined ? message : { ...message, credit };
		this.#answers.keep(device, key(message), this.#options.downlink.send(answer));
		this.#traces.answered(message);
	}

	/** Sends what the streams made of a batch whose labels stay on the device. It waits on, for the gradient. */
	replyFeatures(message: FeaturesMessage): void {
		this.#answers.keep(message.device, featuresKey(message), this.#options.downlink.send(message));
	}

	/** A device asks for the features of a batch again; those that are being computed come by themselves. */
	askedForFeatures(identity: BatchIdentity): void {
		const envelopes = this.#answers.find(identity.device, featuresKey(identity));
		if (envelopes !== undefined) this.#options.downlink.sendEnvelopes(identity.device, envelopes);
		else this.#explain(identity);
	}

	/** Answers a batch that waits with a refusal. */
	refuse(identity: BatchIdentity, error: PsglError): void {
		this.#options.record(identity);
		this.#traces.refused(identity, error);
		this.refused(identity);
		const message = refuse(identity.device, error, { type: this.#batchType, ...identity }, false);
		this.#answers.keep(identity.device, key(identity), this.#send(message));
	}

	/** A device asks for the answer to a batch again. */
	askedFor(identity: BatchIdentity): void {
		const envelopes = this.#answers.find(identity.device, key(identity));
		if (envelopes !== undefined) this.#options.downlink.sendEnvelopes(identity.device, envelopes);
		else this.#explain(identity);
	}

	async #decode(tensors: (BatchMessage | ForwardMessage)["tensors"]): Promise<DeviceBatch> {
		const { server } = this.#options;
		const labels = "labels" in tensors ? server.labels(tensors.labels) : undefined;
		if ((labels === undefined) !== (server.manifest.tail !== null)) throw labelsMisplaced(labels !== undefined);
		return { smashed: await server.decode(tensors.smashed), labels };
	}

	/** Undefined where a device may wait for the answer to either of two messages. */
	get #batchType(): "batch" | undefined {
		return this.#options.server.manifest.tail === null ? "batch" : undefined;
	}

	#answerAgain(identity: BatchIdentity, expected: boolean): void {
		const envelopes = this.#answers.find(identity.device, key(identity));
		if (envelopes !== undefined) this.#options.downlink.sendEnvelopes(identity.device, envelopes);
		// An answer that is expected but not there is being encoded, or is so old that nobody can wait for it.
		else if (!expected) this.#explain(identity);
	}

	#explain(identity: BatchIdentity): void {
		const { device, epoch, seq } = identity;
		const verdict = this.look(identity);
		const about = { type: this.#batchType, epoch, seq } as const;
		// Its credit again: the device hears that its batch is here.
		if (verdict === "waiting" && this.#options.speaksCredit(device)) this.askedForCredit(device, epoch);
		if (verdict === "closed") this.#send(refuse(device, roundOver(epoch), about, false));
		else if (verdict === "ahead" || verdict === "new")
			this.#send(refuse(device, batchMissing(epoch, seq), about, true));
	}

	#send(message: RefusedMessage): readonly Uint8Array[] {
		this.#options.emit({ type: "refused", device: message.device, code: message.code, reason: message.what });
		return this.#options.downlink.send(message);
	}
}

function featuresKey(identity: Pick<BatchIdentity, "epoch" | "seq">): string {
	return `features ${key(identity)}`;
}

function key({ epoch, seq }: Pick<BatchIdentity, "epoch" | "seq">): string {
	return `${epoch}:${seq}`;
}
