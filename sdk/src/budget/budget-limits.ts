/** Bounds of a device's resource budget (docs/limits.md). */
export const budgetLimits = {
	/** Milliseconds after which a paused device looks again whether it may go on. */
	pauseCheckMs: 5_000,
	/** Degrees Celsius that a device which paused for its temperature has to cool down below its limit. */
	coolDownCelsius: 3,
} as const;
