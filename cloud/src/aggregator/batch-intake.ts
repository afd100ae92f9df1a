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
import { type AuditResult, BatchAudit } from "./batch-audit.js";
import { BatchTraces } from "./batch-traces.js";
import { Credits } from "./credits.js";
import type { Downlink } from "./downlink.js";
import type { AggregatorEvent } from "./events.js";
import { type BatchIdentity, Ledger, type LedgerCounts } from "./ledger.js";
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
export class BatchIntake {
	readonly #options: BatchIntakeOptions;
	readonly #ledger = new Ledger();
	readonly #audit = new BatchAudit();
	readonly #traces = new BatchTraces();
	readonly #answers: AnswerCache;
	readonly #credits: Credits;
	#waiting = 0;
	#mostWaiting = 0;

	constructor(options: BatchIntakeOptions) {
		this.#options = options;
		this.#answers = new AnswerCache(Math.max(cloudLimits.answersKept, 2 * options.largestWindow));
		this.#credits = new Credits(options.places, (device, { epoch, upTo }) => {
			if (options.speaksCredit(device)) options.downlink.send({ type: "credit", device, epoch, upTo });
			options.onCredit();
		});
	}

	get counts(): LedgerCounts {
		return this.#ledger.counts;
	}

	get audit(): AuditResult {
		return this.#audit.result;
	}

	/** The most batches that waited for their step at a time. */
	get mostWaiting(): number {
		return this.#mostWaiting;
	}

	/** `device` may send batches of `epoch`. */
	open(device: string, epoch: number): void {
		const window = this.#options.window(device);
		this.#ledger.open(device, epoch, window);
		this.#credits.open(device, epoch, window);
	}

	/** `device` may send no more batches; those that wait must have been answered. */
	close(device: string): void {
		this.#ledger.close(device);
		this.#credits.close(device);
	}

	/** Nothing is expected of `device` for now, or not until the next leg: others get its place. */
	leave(device: string): void {
		this.#credits.leave(device);
	}

	/** Whether `device` waits until there is room for its batch. */
	isQueued(device: string): boolean {
		return this.#credits.isQueued(device);
	}

	/** Nothing goes on without the batches of these devices: they may send, also when there is no room. */
	press(devices: readonly string[]): void {
		this.#credits.press(devices);
	}

	/** Batches of its epoch that `device` may send; undefined when it does not ask for credit. */
	credit(device: string): number | undefined {
		return this.#options.speaksCredit(device) ? this.#credits.of(device)?.upTo : undefined;
	}

	/** A device asks for its credit again. */
	askedForCredit(device: string, epoch: number): void {
		const grant = this.#credits.of(device);
		if (grant?.epoch === epoch) this.#options.downlink.send({ type: "credit", device, epoch, upTo: grant.upTo });
		else this.#send(refuse(device, roundOver(epoch), { type: "batch", epoch }, false));
	}

	/** No batch of `epoch` takes effect any more. */
	closeEpoch(epoch: number): void {
		this.#audit.close(epoch);
	}

	/** Forgets the answers to a device that has forgotten its questions. */
	forget(device: string): void {
		this.#answers.forget(device);
	}

	/** The batch, if it is new and can be used; everything else is answered here. */
	async take(message: BatchMessage | ForwardMessage, entries: Entries): Promise<ReadyBatch | undefined> {
		const { type, device, epoch, seq, tensors } = message;
		const identity = { device, epoch, seq };
		if (this.isNew(identity) && !this.#credits.admit(device, seq)) {
			this.#send(refuse(device, intakeFull(), { type, ...identity }, true));
			return undefined;
		}
		const verdict = this.#ledger.offer(identity);
		if (verdict !== "new") {
			if (type === "forward" && (verdict === "waiting" || verdict === "answered")) this.askedForFeatures(identity);
			else if (verdict !== "waiting") this.#answerAgain(identity, verdict === "answered");
			return undefined;
		}
		this.#audit.received(identity);
		this.#traces.received(identity);
		this.#waiting++;
		this.#mostWaiting = Math.max(this.#mostWaiting, this.#waiting);
		try {
			requireAgreed(tensors.smashed, this.#options.agreed(device));
			return { identity, entries, ...(await this.#decode(tensors)) };
		} catch (error) {
			if (!(error instanceof PsglError)) throw error;
			this.refuse(identity, error);
			return undefined;
		}
	}

	/** Number of the device's batch whose turn it is. */
	turn(device: string): number | undefined {
		return this.#ledger.next(device);
	}

	/** Whether a batch is one the device may have under way, and has not come before. */
	isNew(identity: BatchIdentity): boolean {
		return this.#ledger.look(identity) === "new";
	}

	/** Takes a batch out of the log that had its effect before. */
	async takeAgain(message: BatchMessage | ForwardMessage, entries: Entries): Promise<ReadyBatch> {
		const { device, epoch, seq, tensors } = message;
		const identity = { device, epoch, seq };
		this.#ledger.offer(identity);
		this.#audit.received(identity);
		this.#waiting++;
		return { identity, entries, ...(await this.#decode(tensors)) };
	}

	/** A batch was refused before. */
	refusedBefore(identity: BatchIdentity): void {
		// Its features may have been sent before.
		if (this.isNew(identity)) {
			this.#ledger.offer(identity);
			this.#audit.received(identity);
		} else this.#waiting--;
		this.#audit.refused(identity);
		this.#ledger.answer(identity, "refused");
		this.#credits.leave(identity.device);
	}

	/** An optimiser step was made with the batch; its gradient follows. */
	applied(identity: BatchIdentity): void {
		this.#audit.applied(identity);
		this.#traces.applied(identity);
		this.#ledger.answer(identity, "applied");
		this.#waiting--;
		this.#credits.answered(identity.device, identity.seq);
	}

	/** Sends the gradient of a batch that was applied. */
	reply(message: GradientMessage): void {
		const { device, epoch, seq } = message;
		const grant = this.#options.speaksCredit(device) ? this.#credits.of(device) : undefined;
		const more = grant?.epoch === epoch && grant.upTo > seq + 1;
		const answer = more ? { ...message, credit: grant.upTo } : message;
		this.#answers.keep(device, key(message), this.#options.downlink.send(answer));
		this.#traces.answered(message);
	}

	/** Sends what the streams made of a batch whose labels stay on the device. It waits on, for the gradient. */
	replyFeatures(message: FeaturesMessage): void {
		this.#answers.keep(message.device, featuresKey(message), this.#options.downlink.send(message));
	}

	/** Whether a batch is here and has no answer, or only its features. */
	isWaiting(identity: BatchIdentity): boolean {
		return this.#ledger.look(identity) === "waiting";
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
		this.#audit.refused(identity);
		this.#ledger.answer(identity, "refused");
		this.#waiting--;
		// A device whose batch is not wanted ends its part of the round.
		this.#credits.leave(identity.device);
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
		const verdict = this.#ledger.look(identity);
		const about = { type: this.#batchType, epoch, seq } as const;
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
