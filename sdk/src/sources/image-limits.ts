/** Bounds on picture files, by what their heads say: a few bytes can announce any size, and be decoded at length. */
export const imageLimits = {
	/** Pixels of a picture: 8192 x 8192. */
	maxPixels: 67_108_864,
	/** Pixels in a row or column: decoders keep whole rows. */
	maxSide: 32_768,
} as const;
