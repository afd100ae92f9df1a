import { badPercentage, failedBefore, noRollout, underWay } from "./rollout-errors.js";
import { rolloutLimits as limits } from "./rollout-limits.js";
import type { RolloutFacts } from "./rollout-state.js";

/** Whether no device gets the candidate beside another model any more. */
export function isOver({ phase }: RolloutFacts): boolean {
	return phase === "rolled-back" || phase === "finished";
}

/** The roll-out that is running or halted. @throws ConfigError `PSGL_ROLLOUT_NONE`. */
export function requireUnderWay(facts: RolloutFacts | undefined): RolloutFacts {
	if (facts === undefined || isOver(facts)) throw noRollout(facts?.phase ?? "none");
	return facts;
}

/** @throws ConfigError `PSGL_ROLLOUT_UNDER_WAY`. */
export function requireNone(before: RolloutFacts | undefined): void {
	if (before !== undefined && !isOver(before)) throw underWay(before.candidate);
}

/** @throws ConfigError `PSGL_ROLLOUT_PERCENTAGE`. */
export function requirePercentage(percentage: number): void {
	if (!Number.isInteger(percentage) || percentage < 0 || percentage > 100) throw badPercentage(percentage);
}

/**
 * A roll-out that begins after another.
 * @throws ConfigError `PSGL_ROLLOUT_UNDER_WAY`, `PSGL_ROLLOUT_FAILED`.
 */
export function begun(
	before: RolloutFacts | undefined,
	{ digest: candidate, artifact }: { readonly digest: string; readonly artifact: string },
	{ id, stable, percentage }: Pick<RolloutFacts, "id" | "stable" | "percentage">,
): RolloutFacts {
	requireNone(before);
	if (before?.automatic && before.candidate === candidate) throw failedBefore(before.reason ?? "");
	return { format: 1, id, phase: "running", stable, candidate, artifact, percentage };
}

/** A roll-out that was taken back. */
export function rolledBack(facts: RolloutFacts, reason: string, automatic: boolean): RolloutFacts {
	return { ...facts, phase: "rolled-back", reason: reason.slice(0, limits.maxReasonLength), automatic };
}
