/** Limits of signed models. */
export const trustLimits = {
	/** Keys a root names. */
	maxRootKeys: 32,
	/** Roots an artifact carries, for devices that missed some. */
	maxRoots: 64,
	/** Length of a signed document, in characters. */
	maxDocumentLength: 16_384,
	/** Milliseconds a device's clock may be fast before it takes a valid document for expired. */
	clockToleranceMs: 86_400_000,
} as const;
