import crc32c from "crc-32/crc32c.js";

/** CRC-32C (Castagnoli; RFC 3720 appendix B.4) of the parts one after the other, unsigned. */
export function checksum(...parts: readonly Uint8Array[]): number {
	let crc = 0;
	for (const part of parts) crc = crc32c.buf(part, crc);
	return crc >>> 0;
}
