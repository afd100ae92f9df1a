import type { LedgerRecord, LedgerTerms } from "./ledger-record.js";

/** What is about to leave of one record. */
export interface Disclosure {
	/** Of `recordDigests`. */
	readonly digest: string;
	/** The most that its smashed data can disclose: the bits they take. */
	readonly bits: number;
	/** Of randomised response; 0 without. */
	readonly epsilon: number;
	/** Absent where none goes along. */
	readonly label?: LabelDisclosure | undefined;
}

export interface LabelDisclosure {
	/** The label and the number of classes it is one of. */
	readonly key: string;
	/** log2 K, or K where several labels may apply. */
	readonly bits: number;
}

/** What codes records: a frozen client segment of an artifact. */
export interface CodeIdentity {
	/** Of weights and artifact together. */
	readonly segment: string;
	/** SHA-256 of the artifact. */
	readonly artifact: string;
}

/**
 * Why a record is left out. `budget`: its bits are spent. `coded`: it was coded as often as it may be. `full`: the ledger has no room
 * for another record.
 */
export type LeftOut = "budget" | "coded" | "full";

/** A release that may go, and the record after it. `fresh`: something new leaves; otherwise the code that is stored. */
export interface Admitted {
	readonly record: LedgerRecord;
	readonly fresh: boolean;
}

/**
 * Whether a release of a record may go under the terms. What was coded by the same segment before goes again as it is stored, and costs
 * only a label that did not go before; so does what was coded by another segment of the same artifact, when it may not be coded again.
 */
export function judge(
	before: LedgerRecord,
	{ bits, epsilon, label }: Disclosure,
	{ budgetBits, maxCodings }: LedgerTerms,
	coding: CodeIdentity | undefined,
): Admitted | LeftOut {
	const labelBits = label === undefined || label.key === before.label ? 0 : label.bits;
	const fits = (cost: number) => budgetBits === null || cost === 0 || before.bits + cost <= budgetBits;
	const shown = label === undefined ? before.label : label.key;
	const again = (): Admitted => ({ record: { ...before, label: shown, bits: before.bits + labelBits }, fresh: false });
	const stored = before.code === undefined || coding === undefined ? undefined : before;
	if (stored?.segment === coding?.segment && stored !== undefined) return fits(labelBits) ? again() : "budget";
	const mayCode = maxCodings === null || before.codings < maxCodings;
	const cost = bits + labelBits;
	if (mayCode && fits(cost)) {
		const record: LedgerRecord = {
			bits: before.bits + cost,
			epsilon: before.epsilon + epsilon,
			codings: before.codings + 1,
			label: shown,
			// One in the store that nobody asked for may not stand for what leaves now.
			code: undefined,
			segment: undefined,
			artifact: undefined,
		};
		return { record, fresh: true };
	}
	if (stored?.artifact === coding?.artifact && stored !== undefined && fits(labelBits)) return again();
	return mayCode ? "budget" : "coded";
}
