import { type AuditResult, BatchAudit } from "./batch-audit.js";
import { Credits, type Grant } from "./credits.js";
import { type BatchIdentity, Ledger, type LedgerCounts, type Verdict } from "./ledger.js";

/**
 * Which batches take effect, and when there is room for them: each once, in order, as many at a time as there are places. What
 * batches and answers look like is the matter of those who take them in, over MQTT and in virtual time.
 */
export class BatchAdmission {
	readonly #ledger = new Ledger();
	readonly #audit = new BatchAudit();
	readonly #credits: Credits;
	#waiting = 0;
	#mostWaiting = 0;

	/**
	 * @param places batches that may be under way or wait for their step at a time
	 * @param onGrant a device that had to wait may go on
	 */
	constructor(places: number, onGrant: (device: string, grant: Grant) => void) {
		this.#credits = new Credits(places, onGrant);
	}

	/** How many batches came in how often. */
	get counts(): LedgerCounts {
		return this.#ledger.counts;
	}

	/** What became of them, counted where it happened. */
	get audit(): AuditResult {
		return this.#audit.result;
	}

	/** The most batches that waited for their step at a time. */
	get mostWaiting(): number {
		return this.#mostWaiting;
	}

	/** `device` may send batches of `epoch`, up to `window` at a time. */
	open(device: string, epoch: number, window = 1): void {
		this.#ledger.open(device, epoch, window);
		this.#credits.open(device, epoch, window);
	}

	/** `device` may send no more batches; those that wait must have been answered. */
	close(device: string): void {
		this.#ledger.close(device);
		this.#credits.close(device);
	}

	/** No batch of `epoch` takes effect any more. */
	closeEpoch(epoch: number): void {
		this.#audit.close(epoch);
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

	/** What `device` may send now; undefined when it takes no part. */
	grant(device: string): Grant | undefined {
		return this.#credits.of(device);
	}

	/** Batches of its epoch a device may send after this one; undefined when they are no more. */
	creditAfter({ device, epoch, seq }: BatchIdentity): number | undefined {
		const grant = this.#credits.of(device);
		return grant?.epoch === epoch && grant.upTo > seq + 1 ? grant.upTo : undefined;
	}

	/** Takes a batch in that is new; `full`: there is no room for it. */
	offer(identity: BatchIdentity): Verdict | "full" {
		if (this.isNew(identity) && !this.#credits.admit(identity.device, identity.seq)) return "full";
		const verdict = this.#ledger.offer(identity);
		if (verdict !== "new") return verdict;
		this.#audit.received(identity);
		this.#waiting++;
		this.#mostWaiting = Math.max(this.#mostWaiting, this.#waiting);
		return verdict;
	}

	/** What the ledger would say of a batch. */
	look(identity: BatchIdentity): Verdict {
		return this.#ledger.look(identity);
	}

	/** Whether a batch is one the device may have under way, and has not come before. */
	isNew(identity: BatchIdentity): boolean {
		return this.#ledger.look(identity) === "new";
	}

	/** Whether a batch is here and has no answer, or only its features. */
	isWaiting(identity: BatchIdentity): boolean {
		return this.#ledger.look(identity) === "waiting";
	}

	/** Number of the device's batch whose turn it is. */
	turn(device: string): number | undefined {
		return this.#ledger.next(device);
	}

	/** A batch out of the log that had its effect before: it came then, whatever room there is now. */
	admitAgain(identity: BatchIdentity): void {
		this.#ledger.offer(identity);
		this.#audit.received(identity);
		this.#waiting++;
	}

	/** An optimiser step was made with the batch; its gradient follows. */
	applied(identity: BatchIdentity): void {
		this.#audit.applied(identity);
		this.#ledger.answer(identity, "applied");
		this.#waiting--;
		this.#credits.answered(identity.device, identity.seq);
	}

	/** A batch that waits is answered with a refusal: its device ends its part of the round, as it is not wanted. */
	protected refused(identity: BatchIdentity): void {
		this.#audit.refused(identity);
		this.#ledger.answer(identity, "refused");
		this.#waiting--;
		this.#credits.leave(identity.device);
	}

	/** A batch was refused before. */
	refusedBefore(identity: BatchIdentity): void {
		// Unless its features were sent before, it is not here.
		if (this.isNew(identity)) this.admitAgain(identity);
		this.refused(identity);
	}
}
