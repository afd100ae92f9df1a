import { ledgerLimits } from "./ledger-limits.js";
import type { LedgerHeader, LedgerRecord } from "./ledger-record.js";
import type { Slot } from "./release-permit.js";
import { type CodeIdentity, type Disclosure, judge, type LeftOut } from "./release-rules.js";

/** Whether something new of a record leaves, its stored code does, or why nothing does. */
type Verdict = "fresh" | "stored" | LeftOut;

/**
 * Decides on the records of one message under the ledger's terms, by position, and counts what may leave: in their slots, and in the
 * first page that is given back. With `whole` none leaves, and nothing is counted, when one may not.
 */
export function judgeReleases(
	header: LedgerHeader,
	disclosures: readonly Disclosure[],
	slots: readonly Slot[],
	{ coding, whole }: { readonly coding: CodeIdentity | undefined; readonly whole: boolean },
): { readonly header: LedgerHeader; readonly verdicts: readonly Verdict[] } {
	// A record may be in a batch twice.
	const after = new Map<Slot, LedgerRecord>();
	let room = ledgerLimits.maxLedgerRecords - header.records;
	let uncounted = 0;
	let releases = 0;
	const verdicts = disclosures.map((disclosure, i): Verdict => {
		const slot = slots[i] as Slot;
		if (!slot.known && !after.has(slot) && room <= 0) {
			if (header.budgetBits !== null || header.maxCodings !== null || coding !== undefined) return "full";
			uncounted++;
			return "fresh";
		}
		const judged = judge(after.get(slot) ?? slot.record, disclosure, header, coding);
		if (typeof judged === "string") return judged;
		if (!slot.known && !after.has(slot)) room--;
		after.set(slot, judged.record);
		if (judged.fresh) releases++;
		return judged.fresh ? "fresh" : "stored";
	});
	const refused = verdicts.filter((verdict) => verdict !== "fresh" && verdict !== "stored");
	if (whole && refused.length > 0) {
		return {
			header: { ...header, leftOut: header.leftOut + verdicts.length },
			verdicts: verdicts.map(() => refused[0] as LeftOut),
		};
	}
	let { records, bits, mostBits, mostEpsilon } = header;
	for (const [slot, record] of after) {
		if (!slot.known) records++;
		bits += record.bits - slot.record.bits;
		mostBits = Math.max(mostBits, record.bits);
		mostEpsilon = Math.max(mostEpsilon, record.epsilon);
		slot.record = record;
		slot.known = true;
	}
	const counted = {
		...header,
		records,
		bits,
		mostBits,
		mostEpsilon,
		releases: header.releases + releases + uncounted,
		uncounted: header.uncounted + uncounted,
		leftOut: header.leftOut + refused.length,
	};
	return { header: counted, verdicts };
}
