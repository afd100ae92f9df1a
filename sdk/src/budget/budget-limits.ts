/** Bounds of a device's resource budget (docs/limits.md). */
export const budgetLimits = {
	/** Milliseconds after which a paused device looks again whether it may go on. */
	pauseCheckMs: 5_000,
	/** Degrees Celsius that a device which paused for its temperature has to cool down below its limit. */
	coolDownCelsius: 3,
	/** Bytes that a process takes when it first trains, besides its graphs' memory: the runtime's code, and what JavaScript leaves behind. */
	reserveBytes: 25_165_824,
} as const;
