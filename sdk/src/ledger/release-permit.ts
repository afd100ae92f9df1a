import type { StoreChange } from "../ports/device-store.js";
import type { LedgerRecord } from "./ledger-record.js";
import type { CodeIdentity, LeftOut } from "./release-rules.js";

/** A record that a release has in hand. */
export interface Slot {
	readonly digest: string;
	/** Newest count, before it is written. */
	record: LedgerRecord;
	/** Whether anything was counted of it. */
	known: boolean;
	/** Whether it is in the store. */
	stored: boolean;
}

export interface ReleasePermitOptions {
	/** By position. */
	readonly slots: readonly Slot[];
	/** By position: whether something new leaves, or why the record is left out. */
	readonly verdicts: readonly ("fresh" | "stored" | LeftOut)[];
	readonly coding: CodeIdentity | undefined;
	/** Writes the counts of all these records, and `changes`, at once. */
	readonly write: (changes: readonly StoreChange[]) => Promise<void>;
	readonly release: () => void;
}

/** What may leave in one message. Dispose of it when it is written, or is not to be. */
export class ReleasePermit implements Disposable {
	readonly #options: ReleasePermitOptions;
	#open = true;

	constructor(options: ReleasePermitOptions) {
		this.#options = options;
	}

	/** Positions that may leave, in order. */
	get admitted(): readonly number[] {
		return this.#positions((verdict) => verdict === "fresh" || verdict === "stored");
	}

	/** Of these, the ones that have to be coded. */
	get uncoded(): readonly number[] {
		return this.#positions((verdict, slot) => verdict === "fresh" && slot.record.code === undefined);
	}

	/** How many records are left out, by reason. */
	get leftOut(): Readonly<Partial<Record<LeftOut, number>>> {
		const counts: Partial<Record<LeftOut, number>> = {};
		for (const verdict of this.#options.verdicts) {
			if (verdict !== "fresh" && verdict !== "stored") counts[verdict] = (counts[verdict] ?? 0) + 1;
		}
		return counts;
	}

	/** Stores a code that was made now. */
	keep(position: number, code: Uint8Array): void {
		const { coding, slots } = this.#options;
		const slot = slots[position] as Slot;
		slot.record = { ...slot.record, code, segment: coding?.segment, artifact: coding?.artifact };
	}

	/** The code that leaves. */
	code(position: number): Uint8Array {
		return (this.#options.slots[position] as Slot).record.code as Uint8Array;
	}

	/** Writes the counts, together with `changes`; then the records are free for other releases. @throws DataError `PSGL_STORE_WRITE`. */
	async write(changes: readonly StoreChange[] = []): Promise<void> {
		await this.#options.write(changes);
		this[Symbol.dispose]();
	}

	[Symbol.dispose](): void {
		if (this.#open) this.#options.release();
		this.#open = false;
	}

	#positions(which: (verdict: string, slot: Slot) => boolean): readonly number[] {
		const { verdicts, slots } = this.#options;
		return [...verdicts.keys()].filter((i) => which(verdicts[i] as string, slots[i] as Slot));
	}
}
