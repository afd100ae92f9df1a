import { type FileHandle, open } from "node:fs/promises";
import { decodeRecordHeader, isWhole, recordHeaderBytes } from "./journal-format.js";
import type { Segment } from "./journal-segments.js";
import { journalDamaged } from "./log-errors.js";

interface Place {
	readonly segment: Segment;
	readonly handle: FileHandle;
	/** Byte where the record `position` starts. */
	at: number;
	position: number;
}

/** Reads a journal's records one after the other. */
export class JournalReader implements AsyncDisposable {
	readonly #segments: () => readonly Segment[];
	#open: Place | undefined;

	/** @param segments those there are now, in order */
	constructor(segments: () => readonly Segment[]) {
		this.#segments = segments;
	}

	/** The payload at a position that is safe on the disk. @throws DataError `PSGL_JOURNAL_DAMAGED`. */
	async read(position: number): Promise<Uint8Array> {
		const place = await this.#seek(position);
		const { header, length } = await this.#header(place);
		const payload = await this.#bytes(place, place.at + recordHeaderBytes, length);
		if (!isWhole(header, payload)) throw journalDamaged(place.segment.file, `a broken record at byte ${place.at}`);
		this.#advance(place, length);
		return payload;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.#open?.handle.close();
		this.#open = undefined;
	}

	async #seek(position: number): Promise<Place> {
		const segment = this.#segments().findLast(({ header }) => header.first <= position) as Segment;
		if (this.#open?.segment !== segment || this.#open.position > position) {
			await this[Symbol.asyncDispose]();
			const handle = await open(segment.file, "r");
			this.#open = { segment, handle, at: segment.start, position: segment.header.first };
		}
		const place = this.#open;
		const { offsets, header } = segment;
		const known = Math.min(position, header.first + offsets.length - 1);
		if (known > place.position) {
			place.position = known;
			place.at = offsets[known - header.first] as number;
		}
		while (place.position < position) this.#advance(place, (await this.#header(place)).length);
		return place;
	}

	#advance(place: Place, length: number): void {
		place.at += recordHeaderBytes + length;
		place.position++;
		place.segment.offsets[place.position - place.segment.header.first] = place.at;
	}

	async #header(place: Place): Promise<{ header: Buffer; length: number }> {
		const header = await this.#bytes(place, place.at, recordHeaderBytes);
		const { length, position } = decodeRecordHeader(header);
		const fits = position === place.position && place.at + recordHeaderBytes + length <= place.segment.bytes;
		if (!fits) throw journalDamaged(place.segment.file, `a broken record at byte ${place.at}`);
		return { header, length };
	}

	async #bytes({ handle, segment }: Place, at: number, length: number): Promise<Buffer> {
		const bytes = Buffer.allocUnsafe(length);
		const { bytesRead } = await handle.read(bytes, 0, length, at);
		if (bytesRead < length) throw journalDamaged(segment.file, `an end at byte ${at + bytesRead}`);
		return bytes;
	}
}
