import { PsglError } from "@psgl/sdk";

/** What `psgl` ends with. Errors of psgl carry their own. */
export const exitCodes = [
	{ code: 0, meaning: "done" },
	{ code: 1, meaning: "a fault in psgl itself, or a failed check of psgl doctor" },
	{ code: 2, meaning: "wrong usage: an option, variable or configuration file that cannot be used" },
	{ code: 3, meaning: "data that cannot be read or do not hold what they should" },
	{ code: 4, meaning: "a model artifact that cannot be read, checked or used" },
	{ code: 5, meaning: "connection: broker unreachable or refusing, port in use" },
	{ code: 6, meaning: "a message that breaks the wire protocol" },
	{ code: 7, meaning: "shapes that do not fit together" },
	{ code: 8, meaning: "NaN or infinity where a number has to be" },
	{ code: 9, meaning: "a documented limit was reached" },
	{ code: 10, meaning: "psgl audit found a leak above --fail-above" },
	{ code: 11, meaning: "psgl fleet found an invariant of its scenario broken" },
	{ code: 130, meaning: "stopped by Ctrl-C or SIGTERM, after a checkpoint where there is one to write" },
] as const;

export const internalFault = 1;
export const auditFailed = 10;
export const invariantBroken = 11;
export const interrupted = 130;

/** Exit code for whatever was thrown. What fails because the user stopped it counts as stopped. */
export function exitCodeOf(error: unknown, signal: AbortSignal): number {
	if (signal.aborted) return interrupted;
	return error instanceof PsglError ? error.exitCode : internalFault;
}
