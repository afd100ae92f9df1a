import { ConfigError } from "@psgl/sdk";

/** The refusal of an order that asks for what is no percentage. */
export function badPercentage(got: unknown): ConfigError {
	return new ConfigError("PSGL_ROLLOUT_PERCENTAGE", {
		what: "the share of devices that get the candidate cannot be used",
		got: String(got),
		expected: "a whole number from 0 to 100",
	});
}

/** The refusal of an order for a roll-out that there is not. */
export function noRollout(phase: string): ConfigError {
	return new ConfigError("PSGL_ROLLOUT_NONE", {
		what: "no roll-out is under way",
		got: phase,
		expected: "one that is running or halted",
		remedy: "Begin one: psgl models rollout --candidate FILE --percentage N",
	});
}

/** The refusal of a second roll-out beside the first. */
export function underWay(candidate: string): ConfigError {
	return new ConfigError("PSGL_ROLLOUT_UNDER_WAY", {
		what: "another roll-out is under way",
		got: `candidate ${candidate.slice(0, 12)}`,
		remedy: "Take it back first (psgl models rollout --rollback), or finish it: serve its candidate as --artifact",
	});
}

/** The refusal of a candidate that failed on this fleet. */
export function failedBefore(reason: string): ConfigError {
	return new ConfigError("PSGL_ROLLOUT_FAILED", {
		what: "this candidate failed on devices and was rolled back",
		got: reason,
		remedy: "Roll out a corrected one; to try this one again, remove the folder rollout of the state folder",
	});
}

/** The refusal of a roll-out whose roll-out began from another model than the one served. */
export function otherStable(got: string, expected: string): ConfigError {
	return new ConfigError("PSGL_ROLLOUT_STABLE", {
		what: "the roll-out is from another model than the one that is served",
		got: `client half ${got.slice(0, 12)}`,
		expected: `${expected.slice(0, 12)}, or the candidate`,
		remedy:
			"Serve the model it began with, or its candidate, with every process; or remove the folder rollout of the state folder",
	});
}
