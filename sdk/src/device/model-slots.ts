import type { DeviceStore, StoreChange } from "../ports/device-store.js";
import { readRecord, writeRecord } from "../store/record.js";

/** Bounds of a new model on a device (docs/security.md). */
export const slotLimits = {
	/** Starts in a row, or checks, that a new model may end without having been of use; with the next one the device goes back. */
	maxStarts: 3,
	/** Decisions or training steps after which a new model has proved itself. */
	confirmUses: 8,
	/** The device's own samples a new model is tried on. */
	healthSamples: 64,
	/** Share of these that the new model's local head may get wrong beyond the old one's. */
	maxAccuracyLoss: 0.1,
	/** Models that failed, remembered so that they are not tried again. */
	rejectedKept: 8,
} as const;

/** A place for one model in a device's store. */
export type Slot = "a" | "b";

/** A model that failed here. */
export interface Rejection {
	/** SHA-256 (hex) of its artifact. */
	readonly digest: string;
	readonly code: string;
	readonly what: string;
}

interface SlotRecord {
	readonly active: Slot;
	readonly digests: Readonly<Partial<Record<Slot, string>>>;
	/** How often the model in the other slot was about to be checked. */
	readonly checks: number;
	/** The active model is new: the other slot holds the one before it. */
	readonly trial: { readonly starts: number; readonly uses: number } | null;
	readonly rejected: readonly Rejection[];
}

const recordName = "slots";
const parts = ["welcome", "artifact", "client"] as const;

/** One part of what a slot holds. */
export type SlotPart = (typeof parts)[number];

/**
 * Two places for models, one of them active. A new model is written into the other, checked there, and becomes active by one
 * write of the record that says which is; until it has proved itself the model before it stays where it was. Every change
 * is given as changes of the store, to be written together with what else belongs to it, so a device that is killed has
 * made the change or has not.
 */
export class ModelSlots {
	#record: SlotRecord | undefined;

	constructor(record: SlotRecord | undefined) {
		this.#record = record;
	}

	static async open(store: DeviceStore): Promise<ModelSlots> {
		const bytes = await store.get(recordName);
		return new ModelSlots(bytes && readRecord<SlotRecord>(bytes));
	}

	/** Undefined before the first model. */
	get active(): Slot | undefined {
		return this.#record?.active;
	}

	/** Digests of both models; the active one first. */
	get digests(): readonly string[] {
		const { active, digests } = this.#record ?? { active: "a" as const, digests: {} };
		return [digests[active], digests[other(active)]].filter((digest) => digest !== undefined);
	}

	/** Whether the active model has yet to prove itself. */
	get onTrial(): boolean {
		return this.#record !== undefined && this.#record.trial !== null;
	}

	/** Whether a model on trial was started too often without being of use. */
	get isExhausted(): boolean {
		return (this.#record?.trial?.starts ?? 0) > slotLimits.maxStarts;
	}

	/** Whether the process ended too often while the model in the other slot was checked. */
	get endsProcesses(): boolean {
		return (this.#record?.checks ?? 0) > slotLimits.maxStarts;
	}

	rejection(digest: string): Rejection | undefined {
		return this.#record?.rejected.find((each) => each.digest === digest);
	}

	/** Name of a part of the active model, or of the one in the other slot. */
	key(part: SlotPart, which: "active" | "other" = "active"): string {
		const active = this.#record?.active ?? "a";
		return `slot/${which === "active" ? active : other(active)}/${part}`;
	}

	/** The first model of the device, or one where there is no other. */
	first(digest: string): StoreChange {
		return this.#become({ active: "a", digests: { a: digest }, checks: 0, trial: null, rejected: [] });
	}

	/** A new model goes into the other slot, or is there already, and is about to be checked. */
	stage(digest: string, parts: readonly StoreChange[]): readonly StoreChange[] {
		const { active, digests, checks, ...rest } = this.#record as SlotRecord;
		const slot = other(active);
		const again = digests[slot] === digest;
		const record = { ...rest, active, digests: { ...digests, [slot]: digest }, checks: again ? checks + 1 : 1 };
		return [...(again ? [] : [...this.#clear(slot), ...parts]), this.#become(record)];
	}

	/** The model in the other slot becomes the active one, on trial. */
	activate(): StoreChange {
		const record = this.#record as SlotRecord;
		return this.#become({ ...record, active: other(record.active), checks: 0, trial: { starts: 0, uses: 0 } });
	}

	/** The model in the other slot is of no use. */
	reject(rejection: Rejection): readonly StoreChange[] {
		const record = this.#record as SlotRecord;
		const slot = other(record.active);
		return [...this.#clear(slot), this.#become({ ...without(record, slot, rejection), checks: 0 })];
	}

	/** Back to the model before the active one. */
	rollBack(code: string, what: string): readonly StoreChange[] {
		const record = this.#record as SlotRecord;
		const failed = record.active;
		const rejection = { digest: record.digests[failed] as string, code, what };
		const back = { ...without(record, failed, rejection), active: other(failed), trial: null };
		return [...this.#clear(failed), this.#become(back)];
	}

	/** The device starts with a model on trial. */
	start(): readonly StoreChange[] {
		const record = this.#record;
		if (record === undefined || record.trial === null) return [];
		return [this.#become({ ...record, trial: { ...record.trial, starts: record.trial.starts + 1 } })];
	}

	/** A model on trial was of use once more; with the last of these uses it has proved itself. */
	use(): readonly StoreChange[] {
		const record = this.#record;
		if (record === undefined || record.trial === null) return [];
		const uses = record.trial.uses + 1;
		return [this.#become({ ...record, trial: uses < slotLimits.confirmUses ? { starts: 0, uses } : null })];
	}

	#become(record: SlotRecord): StoreChange {
		this.#record = record;
		return { key: recordName, value: writeRecord(record) };
	}

	#clear(slot: Slot): readonly StoreChange[] {
		return parts.map((part) => ({ key: `slot/${slot}/${part}`, value: undefined }));
	}
}

function other(slot: Slot): Slot {
	return slot === "a" ? "b" : "a";
}

function without(record: SlotRecord, slot: Slot, rejection: Rejection): SlotRecord {
	const digests = Object.fromEntries(Object.entries(record.digests).filter(([name]) => name !== slot));
	const others = record.rejected.filter(({ digest }) => digest !== rejection.digest);
	return { ...record, digests, rejected: [...others, rejection].slice(-slotLimits.rejectedKept) };
}
