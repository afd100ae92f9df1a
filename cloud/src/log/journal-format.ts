import { DataError } from "@psgl/sdk";
import { checksum } from "@psgl/sdk/protocol";
import { z } from "zod";
import { journalDamaged } from "./log-errors.js";

const magic = Buffer.from("PSGL journal 1\n");

const schema = z.strictObject({
	/** Drawn when the journal was made: a checkpoint belongs to one journal. */
	journal: z.string(),
	/** What the journal is about: SHA-256 (hex) of the artifact the run started from. */
	run: z.string(),
	/** Position of the segment's first entry. */
	first: z.int().min(0),
	/** Length of the file before this one, bytes; 0 for the first one. */
	previousBytes: z.int().min(0),
});

/** First bytes of a segment. */
export type SegmentHeader = Readonly<z.infer<typeof schema>>;

/** A line that names the format, length, JSON, CRC-32C of the JSON. */
export function encodeSegmentHeader(header: SegmentHeader): Buffer {
	const json = Buffer.from(JSON.stringify(header));
	const bytes = Buffer.alloc(magic.length + 4 + json.length + 4);
	magic.copy(bytes);
	bytes.writeUInt32LE(json.length, magic.length);
	json.copy(bytes, magic.length + 4);
	bytes.writeUInt32LE(checksum(json), bytes.length - 4);
	return bytes;
}

/**
 * @returns the header and its length in bytes.
 * @throws DataError `PSGL_JOURNAL_FORMAT` for a file of another program or version, `PSGL_JOURNAL_DAMAGED`.
 */
export function decodeSegmentHeader(bytes: Buffer, file: string): { header: SegmentHeader; length: number } {
	const start = magic.length + 4;
	if (bytes.length < start) throw journalDamaged(file, `a header of ${bytes.length} bytes`);
	const line = bytes.subarray(0, magic.length);
	if (!line.equals(magic)) {
		if (!line.subarray(0, 12).equals(magic.subarray(0, 12))) throw journalDamaged(file, "another first line");
		throw new DataError("PSGL_JOURNAL_FORMAT", {
			what: `the journal ${file} is of another format`,
			got: JSON.stringify(line.toString("latin1").trimEnd()),
			expected: JSON.stringify(magic.toString().trimEnd()),
			remedy: "Finish the run with the version of psgl that wrote it, or start one in another state folder",
		});
	}
	const end = start + bytes.readUInt32LE(magic.length);
	if (bytes.length < end + 4) throw journalDamaged(file, "a header that is cut off");
	const json = bytes.subarray(start, end);
	if (bytes.readUInt32LE(end) !== checksum(json)) throw journalDamaged(file, "a header with another checksum");
	return { header: schema.parse(JSON.parse(json.toString())), length: end + 4 };
}

/** Bytes before a record's payload: length, bytes of the segment known to be safe, position, CRC-32C of all that and the payload. */
export const recordHeaderBytes = 20;

export interface RecordHeader {
	/** Of the payload, bytes. */
	readonly length: number;
	/** Bytes of the segment that were safe on the disk when the record was written. */
	readonly safe: number;
	readonly position: number;
	readonly crc: number;
}

export function encodeRecordHeader(payload: Uint8Array, safe: number, position: number): Buffer {
	const header = Buffer.alloc(recordHeaderBytes);
	header.writeUInt32LE(payload.length, 0);
	header.writeUInt32LE(safe, 4);
	header.writeBigUInt64LE(BigInt(position), 8);
	header.writeUInt32LE(checksum(header.subarray(0, 16), payload), 16);
	return header;
}

export function decodeRecordHeader(bytes: Buffer, at = 0): RecordHeader {
	return {
		length: bytes.readUInt32LE(at),
		safe: bytes.readUInt32LE(at + 4),
		position: Number(bytes.readBigUInt64LE(at + 8)),
		crc: bytes.readUInt32LE(at + 16),
	};
}

/** Whether header and payload, as they lie in the file, fit their checksum. */
export function isWhole(header: Buffer, payload: Buffer): boolean {
	return checksum(header.subarray(0, 16), payload) === header.readUInt32LE(16);
}
