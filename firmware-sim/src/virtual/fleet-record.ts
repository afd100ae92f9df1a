import type { Calibration } from "../scenario/scenario.js";
import type { FleetSample, GroupTotals } from "./fleet-recorder.js";

/** One round of training as the aggregator saw it. */
export interface FleetRound {
	readonly round: number;
	/** Milliseconds since the start. */
	readonly startedAt: number;
	readonly endedAt: number;
	/** Devices that were told to begin. */
	readonly devices: number;
	/** Devices whose weights arrived. */
	readonly trained: number;
	/** Times a step did not wait for a device any longer. */
	readonly leftBehind: number;
	/** Of decisions on pictures no device trained on; undefined where nothing was learned. */
	readonly accuracy: number | undefined;
}

/** Something that must hold, and whether it did. */
export interface Invariant {
	readonly name: string;
	/** What it says, for people. */
	readonly title: string;
	readonly value: number;
	readonly limit: number;
	readonly holds: boolean;
}

/** What became of the batches, as the aggregator's ledger has it. */
export interface FleetCounts {
	readonly received: number;
	readonly applied: number;
	readonly refused: number;
	readonly duplicates: number;
	readonly lost: number;
	readonly doubled: number;
}

/** Everything a run of a scenario found: what the report shows, and what `--json` prints. */
export interface FleetRecord {
	readonly scenario: string;
	readonly description: string;
	readonly mode: "virtual" | "mqtt";
	readonly seed: number;
	readonly hours: number;
	readonly devices: number;
	/** Undefined over real MQTT. */
	readonly calibration: Calibration | undefined;
	/** What the accuracy was measured on. */
	readonly learning: string;
	readonly rounds: readonly FleetRound[];
	readonly samples: readonly FleetSample[];
	/** Upper ends of the classes of lags, milliseconds; the last class has none. */
	readonly lagEdgesMs: readonly number[];
	readonly lags: Readonly<Record<string, readonly number[]>>;
	readonly groups: Readonly<Record<string, GroupTotals>>;
	readonly counts: FleetCounts;
	readonly events: Readonly<Record<string, number>>;
	readonly invariants: readonly Invariant[];
}
