import type { BatchIdentity } from "./ledger.js";

/** What the audit says about the batches of all closed epochs and the current one. */
export interface AuditResult {
	/** Acknowledged batches that were neither applied nor answered with a refusal. */
	readonly lost: number;
	/** Batches that took effect more than once. */
	readonly doubled: number;
}

const received = 0x80;
const refused = 0x40;
/** The rest of a batch's byte counts how often it was applied. */
const appliedMask = 0x3f;

/**
 * A record of its own of what became of each batch, written where batches arrive, where the optimiser steps are made and
 * where refusals are sent, so that a fault of the ledger shows. One byte a batch until its epoch is closed.
 */
export class BatchAudit {
	readonly #epochs = new Map<number, Map<string, Uint8Array>>();
	#lastClosed = -1;
	#lost = 0;
	#doubled = 0;

	received(identity: BatchIdentity): void {
		this.#mark(identity, received);
	}

	refused(identity: BatchIdentity): void {
		this.#mark(identity, refused);
	}

	/** An optimiser step was made with the batch. */
	applied(identity: BatchIdentity): void {
		// What changes the weights after its epoch was closed was counted there already.
		if (identity.epoch <= this.#lastClosed) this.#doubled++;
		else this.#mark(identity, 1);
	}

	/** No batch of `epoch`, or of one before it, takes effect any more. */
	close(epoch: number): void {
		for (const [open, devices] of this.#epochs) {
			if (open > epoch) continue;
			const { lost, doubled } = count(devices);
			this.#lost += lost;
			this.#doubled += doubled;
			this.#epochs.delete(open);
		}
		this.#lastClosed = Math.max(this.#lastClosed, epoch);
	}

	get result(): AuditResult {
		let lost = this.#lost;
		let doubled = this.#doubled;
		for (const devices of this.#epochs.values()) {
			const open = count(devices);
			lost += open.lost;
			doubled += open.doubled;
		}
		return { lost, doubled };
	}

	#mark({ device, epoch, seq }: BatchIdentity, mark: number): void {
		let devices = this.#epochs.get(epoch);
		if (devices === undefined) {
			devices = new Map();
			this.#epochs.set(epoch, devices);
		}
		let batches = devices.get(device) ?? new Uint8Array(64);
		if (seq >= batches.length) {
			const longer = new Uint8Array(2 * (seq + 1));
			longer.set(batches);
			batches = longer;
		}
		devices.set(device, batches);
		const before = batches[seq] as number;
		batches[seq] = mark === 1 ? before + ((before & appliedMask) < appliedMask ? 1 : 0) : before | mark;
	}
}

function count(devices: ReadonlyMap<string, Uint8Array>): AuditResult {
	let lost = 0;
	let doubled = 0;
	for (const batches of devices.values()) {
		for (const batch of batches) {
			if (batch === received) lost++;
			if ((batch & appliedMask) > 1) doubled++;
		}
	}
	return { lost, doubled };
}
