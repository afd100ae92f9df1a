import { crc32, deflateRawSync } from "node:zlib";

/** An array in NumPy's npy format, version 1 unless told otherwise. `values` are written as they lie in memory. */
export function npyBytes(
	descr: string,
	dims: readonly number[],
	values: ArrayBufferView,
	{ fortranOrder = false, version = 1 } = {},
): Uint8Array {
	const shape = dims.length === 1 ? `${dims[0]},` : dims.join(", ");
	const header = `{'descr': '${descr}', 'fortran_order': ${fortranOrder ? "True" : "False"}, 'shape': (${shape}), }\n`;
	return npyWithHeader(header, values, version);
}

/** An npy file with any header text. */
export function npyWithHeader(header: string, values: ArrayBufferView, version = 1): Uint8Array {
	const length = Buffer.alloc(version === 1 ? 2 : 4);
	if (version === 1) length.writeUInt16LE(header.length);
	else length.writeUInt32LE(header.length);
	const magic = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0]);
	return Buffer.concat([magic, length, Buffer.from(header, "latin1"), viewBytes(values)]);
}

/** A text as NumPy's 0-dimensional `<U` array. */
export function npyText(text: string): Uint8Array {
	const points = Uint32Array.from(text, (character) => character.codePointAt(0) as number);
	return npyBytes(`<U${points.length}`, [], points);
}

export interface ZipEntry {
	readonly name: string;
	readonly bytes: Uint8Array;
	/** Size the directory claims, where it lies. */
	readonly declaredSize?: number;
	/** Checksum the directory claims, where it lies. */
	readonly declaredCrc?: number;
}

/** A zip archive of deflated entries (PKWARE APPNOTE 4.3). */
export function zipBytes(entries: readonly ZipEntry[]): Uint8Array {
	const bodies: Buffer[] = [];
	const directory: Buffer[] = [];
	let offset = 0;
	for (const { name, bytes, declaredSize, declaredCrc } of entries) {
		const packed = deflateRawSync(bytes);
		const fields = Buffer.alloc(26);
		fields.writeUInt16LE(20, 0);
		fields.writeUInt16LE(8, 4);
		fields.writeUInt32LE(declaredCrc ?? crc32(bytes), 10);
		fields.writeUInt32LE(packed.length, 14);
		fields.writeUInt32LE(declaredSize ?? bytes.length, 18);
		fields.writeUInt16LE(name.length, 22);
		const local = Buffer.concat([Buffer.from("PK\x03\x04", "latin1"), fields, Buffer.from(name), packed]);
		const place = Buffer.alloc(14);
		place.writeUInt32LE(offset, 10);
		directory.push(Buffer.from("PK\x01\x02\x14\x00", "latin1"), fields, place, Buffer.from(name));
		bodies.push(local);
		offset += local.length;
	}
	const end = Buffer.alloc(22);
	end.write("PK\x05\x06", "latin1");
	end.writeUInt16LE(entries.length, 8);
	end.writeUInt16LE(entries.length, 10);
	end.writeUInt32LE(Buffer.concat(directory).length, 12);
	end.writeUInt32LE(offset, 16);
	return Buffer.concat([...bodies, ...directory, end]);
}

/** An npz archive of npy files by array name. */
export function npzBytes(arrays: Readonly<Record<string, Uint8Array>>): Uint8Array {
	return zipBytes(Object.entries(arrays).map(([key, bytes]) => ({ name: `${key}.npy`, bytes })));
}

function viewBytes(values: ArrayBufferView): Buffer {
	return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
}
