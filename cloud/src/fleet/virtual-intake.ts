import type { DownlinkMessage, FleetCounts, UplinkMessage } from "@psgl/firmware-sim";
import { BatchAudit } from "../aggregator/batch-audit.js";
import { Credits } from "../aggregator/credits.js";
import { type BatchIdentity, Ledger } from "../aggregator/ledger.js";

type Batch = Extract<UplinkMessage, { type: "batch" }>;

/** Where batches come in and answers go out in virtual time, as `BatchIntake` does it: the same ledger, credits and audit. */
export class VirtualIntake {
	readonly #ledger = new Ledger();
	readonly #audit = new BatchAudit();
	readonly #credits: Credits;
	readonly #send: (device: string, message: DownlinkMessage) => void;
	/** Samples of each device's last answered batch, for an answer that is asked for again. */
	readonly #answers = new Map<string, { readonly key: string; readonly samples: number }>();
	#waiting = 0;
	#mostWaiting = 0;

	constructor(places: number, send: (device: string, message: DownlinkMessage) => void) {
		this.#send = send;
		this.#credits = new Credits(places, (device, { epoch, upTo }) => send(device, { type: "credit", epoch, upTo }));
	}

	get counts(): FleetCounts {
		return { ...this.#ledger.counts, ...this.#audit.result };
	}

	/** The most batches that waited for their step at a time. */
	get mostWaiting(): number {
		return this.#mostWaiting;
	}

	open(device: string, epoch: number): void {
		this.#ledger.open(device, epoch);
		this.#credits.open(device, epoch);
	}

	close(device: string): void {
		this.#ledger.close(device);
		this.#credits.close(device);
	}

	closeEpoch(epoch: number): void {
		this.#audit.close(epoch);
	}

	leave(device: string): void {
		this.#credits.leave(device);
	}

	isQueued(device: string): boolean {
		return this.#credits.isQueued(device);
	}

	press(devices: readonly string[]): void {
		this.#credits.press(devices);
	}

	credit(device: string): number {
		return this.#credits.of(device)?.upTo ?? 0;
	}

	askedForCredit(device: string, epoch: number): void {
		const grant = this.#credits.of(device);
		if (grant?.epoch === epoch) this.#send(device, { type: "credit", epoch, upTo: grant.upTo });
		else this.#refused(device, epoch, 0, false);
	}

	/** Whether a batch is to have its step; everything else is answered here. */
	take({ device, epoch, seq }: Batch): boolean {
		const identity = { device, epoch, seq };
		if (this.#ledger.look(identity) === "new" && !this.#credits.admit(device, seq)) {
			this.#refused(device, epoch, seq, true);
			return false;
		}
		const verdict = this.#ledger.offer(identity);
		if (verdict !== "new") {
			if (verdict !== "waiting") this.#explain(identity);
			return false;
		}
		this.#audit.received(identity);
		this.#waiting++;
		this.#mostWaiting = Math.max(this.#mostWaiting, this.#waiting);
		return true;
	}

	/** A step was made with the batch: its gradient leaves. */
	applied(identity: BatchIdentity, samples: number): void {
		const { device, epoch, seq } = identity;
		this.#audit.applied(identity);
		this.#ledger.answer(identity, "applied");
		this.#waiting--;
		this.#credits.answered(device, seq);
		this.#answers.set(device, { key: `${epoch}:${seq}`, samples });
		this.#gradient(identity, samples);
	}

	refuse(identity: BatchIdentity): void {
		this.#audit.refused(identity);
		this.#ledger.answer(identity, "refused");
		this.#waiting--;
		this.#credits.leave(identity.device);
		this.#refused(identity.device, identity.epoch, identity.seq, false);
	}

	askedFor(identity: BatchIdentity): void {
		this.#explain(identity);
	}

	/** The answer again, or why there is none. */
	#explain(identity: BatchIdentity): void {
		const { device, epoch, seq } = identity;
		const answer = this.#answers.get(device);
		if (answer?.key === `${epoch}:${seq}`) {
			this.#gradient(identity, answer.samples);
			return;
		}
		const verdict = this.#ledger.look(identity);
		if (verdict === "closed") this.#refused(device, epoch, seq, false);
		else if (verdict === "ahead" || verdict === "new") this.#refused(device, epoch, seq, true);
	}

	#gradient({ device, epoch, seq }: BatchIdentity, samples: number): void {
		const grant = this.#credits.of(device);
		const credit = grant?.epoch === epoch && grant.upTo > seq + 1 ? grant.upTo : undefined;
		this.#send(device, { type: "gradient", epoch, seq, samples, credit });
	}

	#refused(device: string, epoch: number, seq: number, retry: boolean): void {
		this.#send(device, { type: "refused", of: "batch", epoch, seq, retry });
	}
}
