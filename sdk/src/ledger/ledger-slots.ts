import type { DeviceStore } from "../ports/device-store.js";
import { isSoundRecord, type LedgerRecord, nothingReleased, readLedger } from "./ledger-record.js";
import type { Slot } from "./release-permit.js";

/** What a device's store holds of the ledger outlasts a change of its samples. */
export const ledgerPrefix = "ledger/";
export const ledgerRecordPrefix = `${ledgerPrefix}record/`;

/** The records that releases have in hand, each shared by all of them; others are read from the store. Without a store all are in hand for good. */
export class LedgerSlots {
	readonly #store: DeviceStore | undefined;
	/** With how many releases have each. */
	readonly #slots = new Map<string, { users: number; readonly slot: Slot | Promise<Slot> }>();

	constructor(store: DeviceStore | undefined) {
		this.#store = store;
	}

	/** Shared with the other releases that have it in hand; `unpin` it once for each call. */
	pin(digest: string): Slot | Promise<Slot> {
		const known = this.#slots.get(digest);
		if (known !== undefined) {
			known.users++;
			return known.slot;
		}
		const slot = this.#store === undefined ? newSlot(digest) : load(this.#store, digest);
		this.#slots.set(digest, { users: 1, slot });
		return slot;
	}

	unpin(digest: string): void {
		const entry = this.#slots.get(digest);
		if (entry === undefined) return;
		entry.users--;
		if (entry.users === 0 && !("known" in entry.slot && entry.slot.known)) this.#slots.delete(digest);
	}
}

const newSlot = (digest: string): Slot => ({ digest, record: nothingReleased, known: false, stored: false });

async function load(store: DeviceStore, digest: string): Promise<Slot> {
	const bytes = await store.get(ledgerRecordPrefix + digest);
	if (bytes === undefined) return newSlot(digest);
	return { digest, record: readLedger<LedgerRecord>(bytes, isSoundRecord), known: true, stored: true };
}
