import type { DownlinkMessage, FleetCounts, UplinkMessage } from "@psgl/firmware-sim";
import { BatchAdmission } from "../aggregator/batch-admission.js";
import type { BatchIdentity } from "../aggregator/ledger.js";

type Batch = Extract<UplinkMessage, { type: "batch" }>;

/** Where batches come in and answers go out in virtual time, as `BatchIntake` does it. */
export class VirtualIntake extends BatchAdmission {
	readonly #send: (device: string, message: DownlinkMessage) => void;
	/** Samples of each device's last answered batch, for an answer that is asked for again. */
	readonly #answers = new Map<string, { readonly key: string; readonly samples: number }>();
	constructor(places: number, send: (device: string, message: DownlinkMessage) => void) {
		super(places, (device, { epoch, upTo }) => send(device, { type: "credit", epoch, upTo }));
		this.#send = send;
	}

	/** What became of the batches, for the fleet's report. */
	get totals(): FleetCounts {
		return { ...this.counts, ...this.audit };
	}

	credit(device: string): number {
		return this.grant(device)?.upTo ?? 0;
	}

	askedForCredit(device: string, epoch: number): void {
		const grant = this.grant(device);
		if (grant?.epoch === epoch) this.#send(device, { type: "credit", epoch, upTo: grant.upTo });
		else this.#refused(device, epoch, 0, false);
	}

	/** Whether a batch is to have its step; everything else is answered here. */
	take({ device, epoch, seq }: Batch): boolean {
		const identity = { device, epoch, seq };
		const verdict = this.offer(identity);
		if (verdict === "full") this.#refused(device, epoch, seq, true);
		else if (verdict !== "new" && verdict !== "waiting") this.#explain(identity);
		return verdict === "new";
	}

	/** A step was made with the batch: its gradient leaves. */
	answer(identity: BatchIdentity, samples: number): void {
		const { device, epoch, seq } = identity;
		this.applied(identity);
		this.#answers.set(device, { key: `${epoch}:${seq}`, samples });
		this.#gradient(identity, samples);
	}

	refuse(identity: BatchIdentity): void {
		this.refused(identity);
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
		const verdict = this.look(identity);
		if (verdict === "closed") this.#refused(device, epoch, seq, false);
		else if (verdict === "ahead" || verdict === "new") this.#refused(device, epoch, seq, true);
	}

	#gradient(identity: BatchIdentity, samples: number): void {
		const { device, epoch, seq } = identity;
		this.#send(device, { type: "gradient", epoch, seq, samples, credit: this.creditAfter(identity) });
	}

	#refused(device: string, epoch: number, seq: number, retry: boolean): void {
		this.#send(device, { type: "refused", of: "batch", epoch, seq, retry });
	}
}
