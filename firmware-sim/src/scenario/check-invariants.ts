import type { FleetCounts, Invariant } from "../virtual/fleet-record.js";
import type { Scenario } from "./scenario.js";

/** What the invariants are about, as a run found it. */
export interface FleetFindings {
	readonly counts: FleetCounts;
	/** Sessions the cloud takes for alive, of devices that have been gone for longer than it takes to notice. */
	readonly orphanedSessions: number;
	readonly outboxOverflows: number;
	/** Share of the honest devices on line that training or an update has left behind. */
	readonly leftBehindShare: number;
	/** After the last round; undefined where nothing was learned. */
	readonly accuracy: number | undefined;
}

/** Compares what a run found with what its scenario demands. */
export function checkInvariants({ invariants }: Scenario, found: FleetFindings): Invariant[] {
	const most = (name: string, title: string, value: number, limit: number): Invariant => {
		return { name, title, value, limit, holds: value <= limit };
	};
	const { lost, doubled } = found.counts;
	const checked = [
		most("lost", "batches taken in and then lost", lost, invariants.lost),
		most("doubled", "batches that took effect twice", doubled, invariants.doubled),
		most("orphanedSessions", "sessions of devices that are gone", found.orphanedSessions, invariants.orphanedSessions),
		most("outboxOverflows", "outboxes full or too old", found.outboxOverflows, invariants.outboxOverflows),
		most("leftBehindShare", "share of devices left behind", found.leftBehindShare, invariants.leftBehindShare),
	];
	const { leastAccuracy } = invariants;
	if (leastAccuracy !== undefined) {
		const value = found.accuracy ?? 0;
		const title = "accuracy after the last round, at least";
		checked.push({ name: "leastAccuracy", title, value, limit: leastAccuracy, holds: value >= leastAccuracy });
	}
	return checked;
}
