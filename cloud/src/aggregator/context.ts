import type { Clock } from "@psgl/sdk";
import type { Manifest } from "@psgl/sdk/artifact";
import type { BatchIntake } from "./batch-intake.js";
import type { Changed } from "./changed.js";
import type { DecisionBatches } from "./decision-batches.js";
import type { DeviceTelemetry } from "./device-telemetry.js";
import type { Downlink } from "./downlink.js";
import type { AggregatorEvent } from "./events.js";
import type { PartitionExchange } from "./partition-merge.js";
import type { Roster } from "./roster.js";
import type { RunHistory } from "./run-history.js";
import type { ServerSegment } from "./server-segment.js";
import type { ResolvedSettings } from "./settings.js";
import type { SmashedGuard } from "./smashed-guard.js";

/** What the parts of an aggregator share. */
export interface AggregatorContext {
	readonly manifest: Manifest;
	readonly settings: ResolvedSettings;
	readonly clock: Clock;
	readonly server: ServerSegment;
	/** Scores for whoever asks, those of several devices in one run. */
	readonly decisions: DecisionBatches;
	readonly roster: Roster;
	/** What devices told of themselves, for whoever watches. */
	readonly telemetry: DeviceTelemetry;
	readonly downlink: Downlink;
	readonly intake: BatchIntake;
	/** Knows what smashed data usually are, of the rounds this process has seen or done again. */
	readonly guard: SmashedGuard;
	/** Notified when a message or a status changed what a round waits for. */
	readonly changed: Changed;
	/** What the run's log tells, and where it is written on. */
	readonly history: RunHistory;
	/** The other partitions of the run; undefined where there are none. */
	readonly exchange: PartitionExchange | undefined;
	/** Aborted when training is to end after the step under way. */
	readonly stopping: AbortSignal;
	readonly emit: (event: AggregatorEvent) => void;
	/** Ends the aggregator: something happened that must not. */
	readonly fail: (error: unknown) => void;
}
