import { ProtocolError } from "../errors.js";
import { checksum } from "./checksum.js";
import type { Frame } from "./frame.js";
import type { ByteRange, ChunkPlace, Header } from "./headers.js";

/** A message some of whose chunks have arrived. */
export class PartialMessage {
	/** The message's header, without a chunk's place. */
	readonly header: Header;
	readonly total: number;
	readonly crc: number;
	/** Aborted when the message is complete or given up. */
	readonly dropped = new AbortController();
	/** When to give up, in the clock's milliseconds. */
	deadline = 0;
	/** True when the same message was completed before. */
	repeated = false;
	readonly #count: number;
	/** Bytes of every chunk but the last. */
	readonly #size: number;
	readonly #fields: string;
	readonly #parts: (Uint8Array | undefined)[];
	#arrived = 0;
	#heldBytes = 0;

	/** Starts from any chunk; `add` it next. */
	constructor({ header, body }: Frame) {
		const { chunk, ...fields } = header;
		const { index, count, offset, total, crc } = chunk as ChunkPlace;
		this.header = fields;
		this.total = total;
		this.crc = crc;
		this.#count = count;
		this.#size = index === count - 1 ? offset / index : body.length;
		this.#fields = JSON.stringify(fields);
		this.#parts = new Array(count);
	}

	/** Bytes of the chunks that are here. */
	get heldBytes(): number {
		return this.#heldBytes;
	}

	get complete(): boolean {
		return this.#arrived === this.#count;
	}

	/**
	 * Takes a chunk; a second copy of one has no effect.
	 * @throws ProtocolError `PSGL_PROTOCOL_CHUNK_MISMATCH` when it does not belong to the chunks before it.
	 */
	add({ header, body }: Frame): void {
		const { chunk, ...fields } = header;
		const { index, count, offset, total, crc } = chunk as ChunkPlace;
		const size = this.#size;
		const fits =
			Number.isInteger(size) &&
			count === this.#count &&
			total === this.total &&
			crc === this.crc &&
			index < count &&
			(count - 1) * size < total &&
			total <= count * size &&
			offset === index * size &&
			body.length === Math.min(size, total - offset) &&
			JSON.stringify(fields) === this.#fields;
		if (!fits) {
			throw new ProtocolError("PSGL_PROTOCOL_CHUNK_MISMATCH", {
				what: `a chunk does not belong to the ${header.type} message it names`,
				got: `chunk ${index} of ${count}, ${body.length} bytes at ${offset} of ${total}`,
				expected: `${this.#count} chunks of ${size} bytes, ${this.total} in all, with one header and checksum`,
				remedy: "Send the whole message again",
			});
		}
		if (this.#parts[index] !== undefined) return;
		// Not the view on the envelope, whose other bytes would stay as well.
		this.#parts[index] = new Uint8Array(body);
		this.#arrived++;
		this.#heldBytes += body.length;
	}

	/** The body, zeros where chunks are missing. */
	body(): Uint8Array {
		const body = new Uint8Array(this.total);
		this.#parts.forEach((part, index) => {
			if (part !== undefined) body.set(part, index * this.#size);
		});
		return body;
	}

	/** Parts of the body that have not arrived, neighbours joined. */
	missing(): ByteRange[] {
		const ranges: { offset: number; bytes: number }[] = [];
		for (const index of this.#missingIndices()) {
			const offset = index * this.#size;
			const bytes = Math.min(this.#size, this.total - offset);
			const before = ranges.at(-1);
			if (before !== undefined && before.offset + before.bytes === offset) before.bytes += bytes;
			else ranges.push({ offset, bytes });
		}
		return ranges;
	}

	/** @throws ProtocolError `PSGL_PROTOCOL_CHECKSUM` when the chunks, each right, are not the body that was cut up. */
	checkWhole(body: Uint8Array): void {
		if (checksum(body) === this.crc) return;
		throw new ProtocolError("PSGL_PROTOCOL_CHECKSUM", {
			what: `the checksum of a ${this.header.type} message in ${this.#count} chunks is wrong`,
			remedy: "Send the whole message again",
		});
	}

	missingError(waitedMs: number): ProtocolError {
		const indices = this.#missingIndices();
		const listed = indices.slice(0, 20).join(", ");
		return new ProtocolError("PSGL_PROTOCOL_CHUNK_MISSING", {
			what: `a ${this.header.type} message is incomplete`,
			got: `no chunk ${listed}${indices.length > 20 ? ` and ${indices.length - 20} more` : ""} within ${waitedMs} ms`,
			expected: `${this.#count} chunks`,
			remedy: "Send the whole message again",
		});
	}

	#missingIndices(): number[] {
		const indices: number[] = [];
		for (let i = 0; i < this.#count; i++) if (this.#parts[i] === undefined) indices.push(i);
		return indices;
	}
}
