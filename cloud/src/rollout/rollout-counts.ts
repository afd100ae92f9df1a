import { rolloutLimits as limits } from "./rollout-limits.js";
import type { RolloutDeviceState } from "./rollout-state.js";

/** What became of a candidate on devices of a part of the fleet. */
export interface RolloutCounts {
	readonly counts: Readonly<Record<RolloutDeviceState, number>>;
	/** Ids of devices on which it failed, by name. */
	readonly failed: readonly string[];
}

export const noCounts: RolloutCounts = { counts: { offered: 0, trial: 0, confirmed: 0, failed: 0 }, failed: [] };

/** Of two parts of the fleet together. */
export function addCounts(a: RolloutCounts, b: RolloutCounts): RolloutCounts {
	const sum = (state: RolloutDeviceState) => a.counts[state] + b.counts[state];
	return {
		counts: { offered: sum("offered"), trial: sum("trial"), confirmed: sum("confirmed"), failed: sum("failed") },
		failed: [...a.failed, ...b.failed].sort(),
	};
}

/** Why a roll-out has to be rolled back; undefined while it does not. */
export function failureIn({ counts: { trial, confirmed, failed } }: RolloutCounts): string | undefined {
	const told = trial + confirmed + failed;
	const isFailing = failed >= limits.minFailures && failed / told > limits.maxFailedShare;
	return isFailing ? `failed on ${failed} of ${told} devices` : undefined;
}
