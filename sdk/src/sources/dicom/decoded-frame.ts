import { dicomLimits } from "./dicom-limits.js";
import { frameValues, type PixelFormat } from "./pixel-format.js";

/** A decoded frame's bytes, little endian, and how they are laid out. */
export interface DecodedFrame {
	readonly bytes: Uint8Array;
	readonly planar: boolean;
	readonly photometric: string;
}

/** Milliseconds a frame may take its codec: a damaged JPEG can have it go on for ever. */
export function mostDecodeMs(format: PixelFormat): number {
	return dicomLimits.maxDecodeMs + Math.ceil(frameValues(format) / dicomLimits.decodedValuesPerMs);
}
