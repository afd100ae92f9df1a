import type { Random } from "../ports/random.js";

/** Longest first delay, milliseconds. */
export const backOffBaseMs = 250;

/** Longest delay, milliseconds. */
export const backOffCapMs = 30_000;

/**
 * Milliseconds to wait before the attempt after `failures` failed ones: exponential with full jitter, so that a fleet
 * does not return in step after its broker restarts (Brooker, "Exponential Backoff and Jitter", AWS 2015).
 */
export function backOffMs(failures: number, random: Random): number {
	return random.uniform() * Math.min(backOffCapMs, backOffBaseMs * 2 ** (failures - 1));
}
