import type { RolloutCounts } from "./rollout-counts.js";
import type { RolloutDeviceState, RolloutFacts } from "./rollout-state.js";

/** How a roll-out stands. */
export interface RolloutStatus {
	/** `none`: there was none, or it is finished. `halted`: no further device gets the candidate. */
	readonly phase: "none" | "running" | "halted" | "rolled-back";
	/** SHA-256 (hex) of the client halves. */
	readonly stable: string;
	readonly candidate: string | undefined;
	/** Of the devices, the part that gets the candidate while the phase is `running`. */
	readonly percentage: number;
	/** Why it was rolled back, and whether psgl did that by itself. */
	readonly reason: string | undefined;
	readonly automatic: boolean;
	/** Devices by what became of the candidate on them. */
	readonly devices: Readonly<Record<RolloutDeviceState, number>>;
	/** Ids of the devices on which it failed, by name. */
	readonly failed: readonly string[];
}

/** What changed a roll-out: an order, what a device told, that too many devices failed, or that the process began anew. */
export type RolloutCause = "order" | "device" | "automatic" | "resumed";

/** @param facts undefined where there is none */
export function statusOf(
	facts: RolloutFacts | undefined,
	stable: string,
	{ counts: devices, failed }: RolloutCounts,
): RolloutStatus {
	const { phase = "none", candidate, percentage = 0, reason, automatic = false } = facts ?? {};
	const shown = phase === "finished" ? "none" : phase;
	return { phase: shown, stable, candidate, percentage, reason, automatic, devices, failed };
}
