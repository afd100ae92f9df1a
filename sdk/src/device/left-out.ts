import { LimitError } from "../errors.js";
import type { ReleasePermit } from "../ledger/release-permit.js";
import type { RoundMessage } from "../protocol/index.js";
import type { DeviceEvent } from "./device-event.js";

/** Why records of a batch are left out; undefined when none is. */
export function leftOutError({ leftOut }: ReleasePermit): LimitError | undefined {
	const reasons = Object.entries(leftOut);
	if (reasons.length === 0) return undefined;
	return new LimitError("PSGL_DISCLOSURE_BUDGET", {
		what: "the disclosure ledger does not allow a release of some records",
		got: reasons.map(([reason, count]) => `${count} for ${reason}`).join(", "),
		remedy: "They are left out; nothing of them was sent. A record's budget is for life (docs/privacy.md)",
	});
}

/** What `train` tells of it. */
export function* leftOutEvent(
	permit: ReleasePermit,
	{ epoch, task }: Pick<RoundMessage, "epoch" | "task">,
): Generator<DeviceEvent, void> {
	const error = leftOutError(permit);
	if (error !== undefined) yield { type: "left-out", epoch, task, records: permit.leftOut, error };
}
