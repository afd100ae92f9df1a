import { hasChecksum } from "./leveldb-checksum.js";

/** Length of a table's last part, and the number it ends with (LevelDB, doc/table_format.md). */
const footerBytes = 48;
const magic = 0xdb4775248b80fb57n;

/** Where a block lies. */
interface BlockHandle {
	readonly offset: number;
	readonly size: number;
}

/**
 * Whether every block of a LevelDB table has its checksum. LevelDB reads tables without looking at it, and ends the process when what it
 * reads makes no sense.
 * @param bytes the whole file, its blocks not compressed
 */
export function isWholeTable(bytes: Buffer): boolean {
	if (bytes.length < footerBytes || bytes.readBigUInt64LE(bytes.length - 8) !== magic) return false;
	try {
		const footer = new Reader(bytes.subarray(bytes.length - footerBytes));
		for (const handle of [footer.handle(), footer.handle()]) {
			for (const each of handlesIn(block(bytes, handle))) block(bytes, each);
		}
		return true;
	} catch (error) {
		if (error instanceof RangeError) return false;
		throw error;
	}
}

/** A block's content. @throws RangeError when it is not there or its checksum is wrong. */
function block(bytes: Buffer, { offset, size }: BlockHandle): Buffer {
	const end = offset + size;
	const content = bytes.subarray(offset, end + 1);
	if (content.length !== size + 1 || !hasChecksum(content, bytes.readUInt32LE(end + 1))) {
		throw new RangeError("a block with a wrong checksum");
	}
	return content.subarray(0, size);
}

/** The blocks that an index names. */
function handlesIn(index: Buffer): readonly BlockHandle[] {
	const restarts = index.readUInt32LE(index.length - 4);
	const reader = new Reader(index.subarray(0, Math.max(0, index.length - 4 - 4 * restarts)));
	const handles: BlockHandle[] = [];
	while (!reader.done) {
		reader.varint();
		const [key, value] = [reader.varint(), reader.varint()];
		reader.skip(key);
		handles.push(new Reader(reader.skip(value)).handle());
	}
	return handles;
}

class Reader {
	readonly #bytes: Buffer;
	#at = 0;

	constructor(bytes: Buffer) {
		this.#bytes = bytes;
	}

	get done(): boolean {
		return this.#at >= this.#bytes.length;
	}

	/** Seven bits a byte, the lowest first. @throws RangeError */
	varint(): number {
		let value = 0;
		for (let scale = 1; scale < 2 ** 49; scale *= 128) {
			const byte = this.#bytes.readUInt8(this.#at++);
			value += (byte & 127) * scale;
			if (byte < 128) return value;
		}
		throw new RangeError("a number that does not end");
	}

	handle(): BlockHandle {
		return { offset: this.varint(), size: this.varint() };
	}

	/** So many bytes. @throws RangeError when there are fewer. */
	skip(count: number): Buffer {
		const bytes = this.#bytes.subarray(this.#at, this.#at + count);
		if (bytes.length !== count) throw new RangeError("a text that is cut off");
		this.#at += count;
		return bytes;
	}
}
