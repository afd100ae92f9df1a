/** Bounds of a staged roll-out (docs/security.md). */
export const rolloutLimits = {
	/** Share of the devices that told of the candidate on which it may fail; with more, the roll-out is rolled back. */
	maxFailedShare: 0.1,
	/** Devices that have to fail before that is done: one alone may have itself to blame. */
	minFailures: 2,
	/** Devices of a partition that may get the candidate: each is remembered. */
	maxDevices: 16_384,
	/** Devices of a partition on which it failed whose names others are told. */
	failedNamed: 1000,
	/** Characters of the reason of a roll-back. */
	maxReasonLength: 200,
} as const;
