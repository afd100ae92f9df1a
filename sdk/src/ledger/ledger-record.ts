import { DataError } from "../errors.js";
import type { DisclosureTotals } from "../protocol/index.js";
import { readRecord } from "../store/record.js";

/** All a device has ever released of one record. */
export interface LedgerRecord {
	/** Bits, the label's among them. */
	readonly bits: number;
	/** Sum of the epsilons of its randomised releases. */
	readonly epsilon: number;
	/** Times something new was released; a stored code sent again is nothing new. */
	readonly codings: number;
	/** The label that was released last, with the number of classes it is one of. */
	readonly label?: string | undefined;
	/** The code that was released last, as level indices; what coded it, and of which artifact that is. */
	readonly code?: Uint8Array | undefined;
	readonly segment?: string | undefined;
	readonly artifact?: string | undefined;
}

/** What a record without releases has. */
export const nothingReleased: LedgerRecord = { bits: 0, epsilon: 0, codings: 0 };

/** What applies to every record of a device, whatever artifact it runs: the strictest terms it ever accepted. */
export interface LedgerTerms {
	/** Bits of one record for its life; null: any number. */
	readonly budgetBits: number | null;
	/** Codings of one record for its life; null: any number. */
	readonly maxCodings: number | null;
	/** Of labels, that are turned over by chance; null or absent: they are shown as they are. */
	readonly labelEpsilon?: number | null;
}

/** The ledger's first page. */
export interface LedgerHeader extends Omit<DisclosureTotals, "budgetBits">, LedgerTerms {
	readonly format: number;
	readonly device: string;
	/** The device's secret from which it draws how labels are shown. It never leaves. */
	readonly labelKey?: string;
	/** Releases of records that are not counted one by one. */
	readonly uncounted: number;
}

/** The stricter of two bounds; null is none. */
export function stricter(a: number | null, b: number | null): number | null {
	if (a === null || b === null) return a ?? b;
	return Math.min(a, b);
}

/** @throws DataError `PSGL_LEDGER_DAMAGED` when these are not the bytes of a ledger's record. */
export function readLedger<T extends object>(bytes: Uint8Array | undefined, isSound: (value: T) => boolean): T {
	let cause: unknown;
	try {
		const value = readRecord<T>(bytes);
		if (isSound(value)) return value;
	} catch (error) {
		cause = error;
	}
	throw ledgerDamaged("a record that cannot be read", cause);
}

export function isSoundRecord({ bits, epsilon, codings }: LedgerRecord): boolean {
	return [bits, epsilon, codings].every((value) => Number.isFinite(value) && value >= 0);
}

export function isSoundHeader(header: LedgerHeader): boolean {
	const { records, releases, bits, mostBits, mostEpsilon, leftOut, uncounted } = header;
	const counts = [records, releases, bits, mostBits, mostEpsilon, leftOut, uncounted];
	return typeof header.device === "string" && counts.every((value) => Number.isFinite(value) && value >= 0);
}

export function ledgerDamaged(got: string, cause?: unknown): DataError {
	return new DataError("PSGL_LEDGER_DAMAGED", {
		what: "the device's disclosure ledger is damaged: what was released of its records is no longer known",
		got,
		expected: "the records that the last release left",
		remedy:
			"Put back the latest copy of the device's store, or begin a new store with samples of which nothing was ever sent (docs/privacy.md)",
		cause,
	});
}
