/** An element: group and element number, value representation, value. */
export type DicomElement = readonly [tag: number, vr: string, value: string | number | Uint8Array];

/** What a test wants to differ from a grey 4x4 image of 16 bits. */
export interface DicomOptions {
	readonly syntax?: string;
	/** Replaces elements of the same tag, or adds them. */
	readonly elements?: readonly DicomElement[];
	/** Elements left out. */
	readonly without?: readonly number[];
	readonly pixels?: Uint8Array;
	/** Pixel data in fragments, with an empty offset table. */
	readonly fragments?: readonly Uint8Array[];
}

const longForms = new Set(["OB", "OW", "SQ", "UN", "UT"]);

/** The bytes of a DICOM Part 10 file, explicit little endian but for what `syntax` says about pixels. */
export function dicomBytes(options: DicomOptions = {}): Uint8Array {
	const { syntax = "1.2.840.10008.1.2.1", without = [] } = options;
	const defaults: DicomElement[] = [
		[0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.7"],
		[0x00080018, "UI", "1.2.3.4.5"],
		[0x00080060, "CS", "OT"],
		[0x00100010, "PN", "Doe^Jane"],
		[0x00100020, "LO", "P-0001"],
		[0x00280002, "US", 1],
		[0x00280004, "CS", "MONOCHROME2"],
		[0x00280010, "US", 4],
		[0x00280011, "US", 4],
		[0x00280100, "US", 16],
		[0x00280101, "US", 16],
		[0x00280102, "US", 15],
		[0x00280103, "US", 0],
	];
	const elements = new Map(defaults.map((element) => [element[0], element]));
	for (const element of options.elements ?? []) elements.set(element[0], element);
	for (const tag of without) elements.delete(tag);
	const body = [...elements.values()].sort(([a], [b]) => a - b).map(elementBytes);
	if (options.fragments !== undefined) body.push(fragmentBytes(options.fragments));
	else if (options.pixels !== undefined) body.push(elementBytes([0x7fe00010, "OW", options.pixels]));
	const meta = Buffer.concat([
		elementBytes([0x00020001, "OB", Uint8Array.of(0, 1)]),
		elementBytes([0x00020010, "UI", syntax]),
	]);
	const length = elementBytes([0x00020000, "UL", meta.length]);
	return Buffer.concat([Buffer.alloc(128), Buffer.from("DICM"), length, meta, ...body]);
}

/** The bytes of a 16-bit image's pixels. */
export const words = (values: readonly number[]): Uint8Array => new Uint8Array(Int16Array.from(values).buffer);

function elementBytes([tag, vr, value]: DicomElement): Buffer {
	const bytes = valueBytes(vr, value);
	const padded =
		bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.of(vr === "UI" || vr === "OB" ? 0 : 0x20)]);
	const head = Buffer.alloc(longForms.has(vr) ? 12 : 8);
	head.writeUInt16LE(tag >>> 16, 0);
	head.writeUInt16LE(tag & 0xffff, 2);
	head.write(vr, 4, "latin1");
	if (longForms.has(vr)) head.writeUInt32LE(padded.length, 8);
	else head.writeUInt16LE(padded.length, 6);
	return Buffer.concat([head, padded]);
}

function valueBytes(vr: string, value: string | number | Uint8Array): Buffer {
	if (typeof value === "string") return Buffer.from(value, "latin1");
	if (typeof value !== "number") return Buffer.from(value);
	const bytes = Buffer.alloc(vr === "UL" ? 4 : 2);
	if (vr === "UL") bytes.writeUInt32LE(value);
	else bytes.writeUInt16LE(value);
	return bytes;
}

/** Pixel data of undefined length: an empty offset table, the fragments, the delimiter (PS3.5 A.4). */
function fragmentBytes(fragments: readonly Uint8Array[]): Buffer {
	const item = (bytes: Uint8Array): Buffer => {
		const padded = bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.of(0)]);
		const head = Buffer.from([0xfe, 0xff, 0x00, 0xe0, 0, 0, 0, 0]);
		head.writeUInt32LE(padded.length, 4);
		return Buffer.concat([head, padded]);
	};
	const head = Buffer.from([0xe0, 0x7f, 0x10, 0x00, 0x4f, 0x42, 0, 0, 0xff, 0xff, 0xff, 0xff]);
	const end = Buffer.from([0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]);
	return Buffer.concat([head, item(new Uint8Array(0)), ...fragments.map(item), end]);
}
