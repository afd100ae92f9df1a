import { checksum } from "../protocol/checksum.js";

/**
 * Whether a stored checksum is that of the bytes. LevelDB rotates and shifts it, so that a checksum over checksums stays one
 * (util/crc32c.h).
 */
export function hasChecksum(bytes: Uint8Array, stored: number): boolean {
	const rotated = (stored - 0xa282ead8) >>> 0;
	return ((rotated >>> 17) | (rotated << 15)) >>> 0 === checksum(bytes);
}
