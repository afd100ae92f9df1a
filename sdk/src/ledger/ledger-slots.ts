import type { DeviceStore } from "../ports/device-store.js";
import { isSoundRecord, type LedgerRecord, nothingReleased, readLedger } from "./ledger-record.js";
import type { Slot } from "./release-permit.js";

/** What a device's store holds of the ledger outlasts a change of its samples. */
export const ledgerPrefix = "ledger/";
export const ledgerRecordPrefix = `${ledgerPrefix}record/`;

/** The records that releases have in hand, each shared by all of them; others are read from the store. */
export class LedgerSlots {
	readonly #store: DeviceStore;
	/** With how many releases have each. */
	readonly #slots = new Map<string, { users: number; readonly slot: Promise<Slot> }>();

	constructor(store: DeviceStore) {
		this.#store = store;
	}

	/** Shared with the other releases that have it in hand; `unpin` it once for each call. */
	pin(digest: string): Promise<Slot> {
		const entry = this.#slots.get(digest) ?? { users: 0, slot: this.#load(digest) };
		entry.users++;
		this.#slots.set(digest, entry);
		return entry.slot;
	}

	unpin(digest: string): void {
		const entry = this.#slots.get(digest);
		if (entry === undefined) return;
		entry.users--;
		if (entry.users === 0) this.#slots.delete(digest);
	}

	async #load(digest: string): Promise<Slot> {
		const bytes = await this.#store.get(ledgerRecordPrefix + digest);
		const stored = bytes !== undefined;
		const record = stored ? readLedger<LedgerRecord>(bytes, isSoundRecord) : nothingReleased;
		return { digest, record, known: stored, stored };
	}
}
