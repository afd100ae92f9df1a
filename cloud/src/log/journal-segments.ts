import { open, readdir, readFile, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { writeAtomically } from "../files/write-atomically.js";
import {
	decodeRecordHeader,
	decodeSegmentHeader,
	encodeSegmentHeader,
	isWhole,
	recordHeaderBytes,
	type SegmentHeader,
} from "./journal-format.js";
import { journalDamaged } from "./log-errors.js";

/** One file of a journal. */
export interface Segment {
	readonly file: string;
	readonly header: SegmentHeader;
	/** Bytes of the header: where the first record starts. */
	readonly start: number;
	/** Length of the file, bytes. */
	bytes: number;
	/** Where its records start, as far as they were read. */
	readonly offsets: number[];
}

/** What was cut off a journal's end. */
export interface TornTail {
	readonly file: string;
	/** Bytes that were no whole record. */
	readonly bytes: number;
	/** Position the next entry has. */
	readonly position: number;
}

const name = (first: number) => `${first.toString().padStart(16, "0")}.journal`;

/**
 * The segments of a folder in order. Each one's header says how long the one before it was, so a file that is missing or
 * cut off shows without reading it all; records are checked when they are read.
 * @throws DataError `PSGL_JOURNAL_DAMAGED`, `PSGL_JOURNAL_FORMAT`.
 */
export async function listSegments(folder: string): Promise<Segment[]> {
	const files = (await readdir(folder)).filter((file) => file.endsWith(".journal")).sort();
	const segments: Segment[] = [];
	for (const each of files) {
		const file = join(folder, each);
		const { header, length } = decodeSegmentHeader(await firstBytes(file), file);
		const { size } = await stat(file);
		const before = segments.at(-1);
		if (before !== undefined) {
			if (before.header.journal !== header.journal) throw journalDamaged(file, "a segment of another journal");
			if (before.bytes !== header.previousBytes) {
				throw journalDamaged(before.file, `${before.bytes} bytes where ${header.previousBytes} were written`);
			}
		}
		if (each !== name(header.first)) throw journalDamaged(file, `a segment that starts at position ${header.first}`);
		segments.push({ file, header, start: length, bytes: size, offsets: [length] });
	}
	return segments;
}

/** Makes a segment; its header is whole or the file is not there. */
export async function createSegment(folder: string, header: SegmentHeader): Promise<Segment> {
	const file = join(folder, name(header.first));
	const bytes = encodeSegmentHeader(header);
	await writeAtomically(file, bytes);
	return { file, header, start: bytes.length, bytes: bytes.length, offsets: [bytes.length] };
}

/**
 * Finds the end of the last segment and cuts off what was being written when the process or the machine stopped.
 * @throws DataError `PSGL_JOURNAL_DAMAGED` when a later record shows that the damaged bytes had been safe on the disk.
 */
export async function repairTail(segment: Segment): Promise<{ end: number; torn: TornTail | undefined }> {
	const bytes = await readFile(segment.file);
	let position = segment.header.first;
	let at = segment.start;
	for (let next = recordEnd(bytes, at, position); next !== undefined; next = recordEnd(bytes, at, position)) {
		at = next;
		position++;
		segment.offsets.push(at);
	}
	if (at === bytes.length) return { end: position, torn: undefined };
	if (safeBytes(bytes, at, position) > at) throw journalDamaged(segment.file, `a broken record at byte ${at}`);
	await truncate(segment.file, at);
	segment.bytes = at;
	return { end: position, torn: { file: segment.file, bytes: bytes.length - at, position } };
}

/** Where the whole record `position` at `at` ends; undefined when there is none. */
function recordEnd(bytes: Buffer, at: number, position: number): number | undefined {
	const start = at + recordHeaderBytes;
	if (start > bytes.length) return undefined;
	const record = decodeRecordHeader(bytes, at);
	const end = start + record.length;
	if (record.position !== position || end > bytes.length) return undefined;
	return isWhole(bytes.subarray(at, start), bytes.subarray(start, end)) ? end : undefined;
}

/** The most bytes that any whole record after the broken one knew to be safe. */
function safeBytes(bytes: Buffer, broken: number, position: number): number {
	let safe = 0;
	const most = position + Math.floor((bytes.length - broken) / recordHeaderBytes);
	for (let at = broken + 1; at + recordHeaderBytes <= bytes.length; ) {
		const record = decodeRecordHeader(bytes, at);
		const plausible = record.position > position && record.position <= most;
		const end = plausible ? recordEnd(bytes, at, record.position) : undefined;
		if (end !== undefined) safe = Math.max(safe, record.safe);
		at = end ?? at + 1;
	}
	return safe;
}

/** Enough of a file for its header. */
async function firstBytes(file: string): Promise<Buffer> {
	const handle = await open(file, "r");
	try {
		const { buffer, bytesRead } = await handle.read(Buffer.alloc(1024), 0, 1024, 0);
		return buffer.subarray(0, bytesRead);
	} finally {
		await handle.close();
	}
}
