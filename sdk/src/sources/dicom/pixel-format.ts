/** How the pixels of a DICOM image are stored (PS3.3 C.7.6.3). */
export interface PixelFormat {
	readonly rows: number;
	readonly columns: number;
	readonly samplesPerPixel: 1 | 3;
	readonly bitsAllocated: 8 | 16 | 32;
	readonly bitsStored: number;
	readonly highBit: number;
	readonly signed: boolean;
	/** Colour planes one after the other, not interleaved. */
	readonly planar: boolean;
	readonly photometric: string;
}

/** Stored values before any rescaling. */
export type StoredValues = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array;

/** Values of one frame, over all colour channels. */
export const frameValues = (format: PixelFormat): number => format.rows * format.columns * format.samplesPerPixel;

/** Bytes of one frame without compression. */
export const frameBytes = (format: PixelFormat): number => (frameValues(format) * format.bitsAllocated) / 8;

/**
 * Stored values [rows, columns, samples] out of a frame's little-endian bytes: the bits that count, sign extended, colour
 * interleaved. Bits outside are not pixels (old files keep overlays there).
 */
export function readStoredValues(bytes: Uint8Array, format: PixelFormat): StoredValues {
	const { bitsAllocated, bitsStored, highBit, signed, samplesPerPixel, planar } = format;
	const count = frameValues(format);
	// A copy starts at a multiple of the element's size, as typed arrays need.
	const buffer = new Uint8Array(bytes.subarray(0, frameBytes(format))).buffer;
	const values = viewOf(buffer, bitsAllocated, signed);
	if (bitsStored < bitsAllocated) {
		const left = 31 - highBit;
		const right = 32 - bitsStored;
		for (let i = 0; i < count; i++) {
			const shifted = (values[i] as number) << left;
			values[i] = signed ? shifted >> right : shifted >>> right;
		}
	}
	if (samplesPerPixel === 1 || !planar) return values;
	const interleaved = values.slice();
	const plane = count / samplesPerPixel;
	for (let s = 0; s < samplesPerPixel; s++) {
		for (let p = 0; p < plane; p++) interleaved[p * samplesPerPixel + s] = values[s * plane + p] as number;
	}
	return interleaved;
}

function viewOf(buffer: ArrayBuffer, bits: 8 | 16 | 32, signed: boolean): StoredValues {
	if (bits === 8) return signed ? new Int8Array(buffer) : new Uint8Array(buffer);
	if (bits === 16) return signed ? new Int16Array(buffer) : new Uint16Array(buffer);
	return signed ? new Int32Array(buffer) : new Uint32Array(buffer);
}

/** Swaps the bytes of each element: big-endian files, and 8-bit pixels that travel as words. */
export function swapBytes(bytes: Uint8Array, bytesPerWord: 2 | 4): Uint8Array {
	const swapped = bytes.slice(0, bytes.length - (bytes.length % bytesPerWord));
	for (let at = 0; at < swapped.length; at += bytesPerWord) swapped.subarray(at, at + bytesPerWord).reverse();
	return swapped;
}
