/** Bounds on live sources. */
export const liveLimits = {
	/** Milliseconds without a frame after which a source counts as hung, unless set. */
	frameTimeoutMs: 10_000,
	/** Samples that wait for their label, unless set. */
	maxUnlabelled: 1_000,
	/** Milliseconds a sample waits for its label, unless set: a week. */
	maxUnlabelledAgeMs: 604_800_000,
	/** Longest file of labels, bytes: a hundred thousand lines. */
	maxLabelFileBytes: 16_777_216,
} as const;
