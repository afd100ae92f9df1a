import { hasChecksum } from "./leveldb-checksum.js";

/** Bytes of a block, and of what comes before a record in it (LevelDB, doc/log_format.md). */
const blockBytes = 32_768;
const headerBytes = 7;

/** Kinds of records that begin a write: all of it, or its first part. */
const beginnings = [1, 2];

/** Numbers of writes have 56 bits; LevelDB ends the process at a larger one. No device comes near half of them. */
const mostWrites = 2n ** 55n;

/**
 * Whether every record of a LevelDB log can be a write. Records whose checksum is wrong LevelDB leaves out by itself; what it does not expect are
 * sound records of another file, as a disk leaves them that writes to the wrong place.
 */
export function isWholeLog(bytes: Buffer): boolean {
	for (let start = 0; start < bytes.length; start += blockBytes) {
		const block = bytes.subarray(start, start + blockBytes);
		for (let at = 0; at + headerBytes <= block.length; ) {
			const length = block.readUInt16LE(at + 4);
			const end = at + headerBytes + length;
			// What follows in the block LevelDB leaves out.
			if (end > block.length || !hasChecksum(block.subarray(at + 6, end), block.readUInt32LE(at))) break;
			if (beginnings.includes(block.readUInt8(at + 6))) {
				const record = block.subarray(at + headerBytes, end);
				if (record.length < 8 || record.readBigUInt64LE(0) >= mostWrites) return false;
			}
			at = end;
		}
	}
	return true;
}
