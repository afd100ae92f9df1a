import { PsglError } from "@psgl/sdk";
import { type BatchMessage, type GradientMessage, type RefusedMessage, refuse } from "@psgl/sdk/protocol";
import { cloudLimits } from "../limits.js";
import { AnswerCache } from "./answer-cache.js";
import { type AuditResult, BatchAudit } from "./batch-audit.js";
import type { Downlink } from "./downlink.js";
import type { AggregatorEvent } from "./events.js";
import { type BatchIdentity, Ledger, type LedgerCounts } from "./ledger.js";
import { batchMissing, roundOver } from "./refusals.js";
import type { Entries } from "./run-record.js";
import type { DeviceBatch, ServerSegment } from "./server-segment.js";

/** A batch that waits for its server step. */
export interface ReadyBatch extends DeviceBatch {
	readonly identity: BatchIdentity;
	/** Where it lies in the log. */
	readonly entries: Entries;
}

/** Where batches come in and their answers go out: each takes effect once, and every copy gets the same answer. */
export class BatchIntake {
	readonly #server: ServerSegment;
	readonly #downlink: Downlink;
	readonly #emit: (event: AggregatorEvent) => void;
	readonly #record: (refused: BatchIdentity) => void;
	readonly #ledger = new Ledger();
	readonly #audit = new BatchAudit();
	readonly #answers = new AnswerCache(cloudLimits.answersKept);

	constructor(
		server: ServerSegment,
		downlink: Downlink,
		emit: (event: AggregatorEvent) => void,
		record: (refused: BatchIdentity) => void,
	) {
		this.#record = record;
		this.#server = server;
		this.#downlink = downlink;
		this.#emit = emit;
	}

	get counts(): LedgerCounts {
		return this.#ledger.counts;
	}

	get audit(): AuditResult {
		return this.#audit.result;
	}

	/** `device` may send batches of `epoch`. */
	open(device: string, epoch: number): void {
		this.#ledger.open(device, epoch);
	}

	/** `device` may send no more batches; one that waits must have been answered. */
	close(device: string): void {
		this.#ledger.close(device);
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
	async take(message: BatchMessage, entries: Entries): Promise<ReadyBatch | undefined> {
		const { device, epoch, seq, tensors } = message;
		const identity = { device, epoch, seq };
		const verdict = this.#ledger.offer(identity);
		if (verdict !== "new") {
			if (verdict !== "waiting") this.#answerAgain(identity, verdict === "answered");
			return undefined;
		}
		this.#audit.received(identity);
		try {
			return { identity, entries, ...(await this.#decode(tensors)) };
		} catch (error) {
			if (!(error instanceof PsglError)) throw error;
			this.refuse(identity, error);
			return undefined;
		}
	}

	/** Whether a batch is the next one of its device. */
	isNew(identity: BatchIdentity): boolean {
		return this.#ledger.look(identity) === "new";
	}

	/** Takes a batch out of the log that had its effect before. */
	async takeAgain(message: BatchMessage, entries: Entries): Promise<ReadyBatch> {
		const { device, epoch, seq, tensors } = message;
		const identity = { device, epoch, seq };
		this.#ledger.offer(identity);
		this.#audit.received(identity);
		return { identity, entries, ...(await this.#decode(tensors)) };
	}

	/** A batch was refused before. */
	refusedBefore(identity: BatchIdentity): void {
		this.#ledger.offer(identity);
		this.#audit.received(identity);
		this.#audit.refused(identity);
		this.#ledger.answer(identity, "refused");
	}

	/** An optimiser step was made with the batch; its gradient follows. */
	applied(identity: BatchIdentity): void {
		this.#audit.applied(identity);
		this.#ledger.answer(identity, "applied");
	}

	/** Sends the gradient of a batch that was applied. */
	reply(message: GradientMessage): void {
		this.#answers.keep(message.device, key(message), this.#downlink.send(message));
	}

	/** Answers a batch that waits with a refusal. */
	refuse(identity: BatchIdentity, error: PsglError): void {
		this.#record(identity);
		this.#audit.refused(identity);
		this.#ledger.answer(identity, "refused");
		const message = refuse(identity.device, error, { type: "batch", ...identity }, false);
		this.#answers.keep(identity.device, key(identity), this.#send(message));
	}

	/** A device asks for the answer to a batch again. */
	askedFor(identity: BatchIdentity): void {
		const envelopes = this.#answers.find(identity.device, key(identity));
		if (envelopes !== undefined) this.#downlink.sendEnvelopes(identity.device, envelopes);
		else this.#explain(identity);
	}

	async #decode({ smashed, labels }: BatchMessage["tensors"]): Promise<DeviceBatch> {
		return { smashed: await this.#server.decode(smashed), labels: this.#server.labels(labels) };
	}

	#answerAgain(identity: BatchIdentity, expected: boolean): void {
		const envelopes = this.#answers.find(identity.device, key(identity));
		if (envelopes !== undefined) this.#downlink.sendEnvelopes(identity.device, envelopes);
		// An answer that is expected but not there is being encoded, or is so old that nobody can wait for it.
		else if (!expected) this.#explain(identity);
	}

	#explain(identity: BatchIdentity): void {
		const { device, epoch, seq } = identity;
		const verdict = this.#ledger.look(identity);
		const about = { type: "batch", epoch, seq } as const;
		if (verdict === "closed") this.#send(refuse(device, roundOver(epoch), about, false));
		else if (verdict === "ahead" || verdict === "new")
			this.#send(refuse(device, batchMissing(epoch, seq), about, true));
	}

	#send(message: RefusedMessage): readonly Uint8Array[] {
		this.#emit({ type: "refused", device: message.device, code: message.code, reason: message.what });
		return this.#downlink.send(message);
	}
}

function key({ epoch, seq }: Pick<BatchIdentity, "epoch" | "seq">): string {
	return `${epoch}:${seq}`;
}
