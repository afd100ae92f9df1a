/**
 * The four CBOR items of an envelope: unsigned integers and byte strings in an array (RFC 8949). Bodies are most of what travels, and the CBOR
 * library copies a byte string twice on its way out and once on its way in (docs/performance.md); here it is written once and read as a view.
 */

/** Major types, in the upper three bits of an item's first byte (section 3.1). */
const majorTypes = { uint: 0, bytes: 2, array: 4 } as const;

type MajorType = keyof typeof majorTypes;

/** Most bytes of an item before its content: the first one and an argument of four. */
const longestHead = 5;

/** The array [version, header, body, checksum], the body in parts that follow each other. */
export function writeItems(version: number, header: Uint8Array, body: readonly Uint8Array[], crc: number): Uint8Array {
	const length = body.reduce((sum, part) => sum + part.length, 0);
	const bytes = new Uint8Array(1 + 4 * longestHead + header.length + length);
	let at = writeHead(bytes, 0, "array", 4);
	at = writeHead(bytes, at, "uint", version);
	at = writeHead(bytes, at, "bytes", header.length);
	bytes.set(header, at);
	at = writeHead(bytes, at + header.length, "bytes", length);
	for (const part of body) {
		bytes.set(part, at);
		at += part.length;
	}
	return bytes.subarray(0, writeHead(bytes, at, "uint", crc));
}

/** In as few bytes as there can be (section 4.2.1). @returns where the next byte goes */
function writeHead(bytes: Uint8Array, at: number, type: MajorType, argument: number): number {
	const major = majorTypes[type] << 5;
	if (argument < 24) {
		bytes[at] = major | argument;
		return at + 1;
	}
	const size = argument < 2 ** 8 ? 1 : argument < 2 ** 16 ? 2 : 4;
	bytes[at] = major | (size === 1 ? 24 : size === 2 ? 25 : 26);
	for (let i = size; i > 0; i--) bytes[at + i] = argument >>> (8 * (size - i));
	return at + 1 + size;
}

/** Reads items one after the other from bytes that nothing is known of. Each method throws a RangeError when the next item is another. */
export class ItemReader {
	readonly #bytes: Uint8Array;
	#at = 0;

	constructor(bytes: Uint8Array) {
		this.#bytes = bytes;
	}

	/** Bytes after what was read. */
	get left(): number {
		return this.#bytes.length - this.#at;
	}

	/** An unsigned integer below 2^32. */
	uint(): number {
		return this.#head("uint");
	}

	/** How many items an array has. */
	array(): number {
		return this.#head("array");
	}

	/** A byte string, as a view. */
	bytes(): Uint8Array {
		const length = this.#head("bytes");
		if (length > this.left) throw new RangeError(`a byte string of ${length} bytes in the last ${this.left}`);
		this.#at += length;
		return this.#bytes.subarray(this.#at - length, this.#at);
	}

	#head(type: MajorType): number {
		const first = this.#byte(type);
		const [major, short] = [first >> 5, first & 31];
		if (major !== majorTypes[type]) throw new RangeError(`an item of major type ${major} for a ${type}`);
		if (short < 24) return short;
		if (short > 26) throw new RangeError(`a ${type} with additional information ${short}`);
		let argument = 0;
		for (let left = 2 ** (short - 24); left > 0; left--) argument = argument * 256 + this.#byte(type);
		if (argument < (short === 24 ? 24 : short === 25 ? 2 ** 8 : 2 ** 16)) {
			throw new RangeError(`a ${type} in more bytes than necessary`);
		}
		return argument;
	}

	#byte(type: MajorType): number {
		const byte = this.#bytes[this.#at++];
		if (byte === undefined) throw new RangeError(`no more bytes for a ${type}`);
		return byte;
	}
}
