import { PduGuard, readDicom } from "@psgl/sdk/sources/dicom";
import sharp from "sharp";
import { type DicomElement, dicomBytes, words } from "../../helpers/write-dicom.js";
import type { FuzzTarget } from "../fuzz-target.js";
import { edges, type Mutation, pick, replaced } from "../mutations.js";

const side = 8;
const levels = Uint8Array.from({ length: side * side }, (_, i) => (i * 7) & 255);
const eightBits: readonly DicomElement[] = [
	[0x00280010, "US", side],
	[0x00280011, "US", side],
	[0x00280100, "US", 8],
	[0x00280101, "US", 8],
	[0x00280102, "US", 7],
];

/** The same picture in JPEG-LS and JPEG 2000, for which nothing here has an encoder: `ffmpeg -c:v jpegls`, `-c:v jpeg2000`. */
const jpegLs = "/9j/9wALCAAIAAgBAREA/9oACAEBAAAAAIUVYq0+AAAC3jMUjsGAAABb8zbZgu22kU2SSCkaqwAAAFvkC6qrmiqrAP/Z";
const jpeg2000 = [
	"/0//UQApAAAAAAAIAAAACAAAAAAAAAAAAAABAAAAAQAAAAAAAAAAAAABBwEB/1IADAAAAAEABgICAAD/XAApIn8gfuB+4H6gdvB28HbAbwBvAG7gZ1BnUGdo",
	"UAVQBVBHV9NX01di/2QAEQABTGF2YzU5LjM3LjEwMP+QAAoAAAAAAHMAAf+Tw/kDBZ9/AAAAwPqAo/MCg+0CAcMEMwWfx9oNfmDT8AYQits0ur8MHYVeC3YP",
	"mqTjnH/H2hk/ASh9QYAd0um+QOWFyhRzkEwHA8q+NO76GMRfmixMUe1j858bhE6qm3SMQ/RqtH//2Q==",
].join("");

/** One segment of PackBits (PS3.5 annex G): runs of literals. */
function runLength(bytes: Uint8Array): Uint8Array {
	const header = Buffer.alloc(64);
	header.writeUInt32LE(1, 0);
	header.writeUInt32LE(64, 4);
	const rows = Array.from({ length: side }, (_, r) => [side - 1, ...bytes.subarray(r * side, (r + 1) * side)]);
	return Buffer.concat([header, Buffer.from(rows.flat())]);
}

/** Another number of two or four bytes where the elements of the header lie: rows, bits, lengths. */
const changeElement: Mutation = (bytes, random) => {
	const at = 132 + 2 * random.integer(Math.max(1, Math.min(bytes.length - 136, 600) / 2));
	const value = Buffer.alloc(random.integer(2) === 0 ? 2 : 4);
	const number = pick(random, edges);
	if (value.length === 2) value.writeUInt16LE(number & 0xffff);
	else value.writeUInt32LE(number);
	return at + value.length > bytes.length ? bytes : replaced(bytes, at, at + value.length, value);
};

/** DICOM files in six ways to pack pixels, read and decoded to a sample. */
export async function dicomTarget(): Promise<FuzzTarget> {
	const grey = sharp(levels, { raw: { width: side, height: side, channels: 1 } });
	const jpeg = await grey.jpeg().toBuffer();
	const packed = (suffix: string, ...fragments: readonly Uint8Array[]) =>
		dicomBytes({ syntax: `1.2.840.10008.1.2${suffix}`, elements: eightBits, fragments });
	const frames = dicomBytes({
		elements: [...eightBits, [0x00280008, "IS", "2"]],
		pixels: Buffer.concat([levels, levels]),
	});
	const native = dicomBytes({ pixels: words(Array.from({ length: 16 }, (_, i) => i * 100)) });
	// A frame that a codec fails on costs 5 ms, as the codecs are started anew: four cases in ten are compressed.
	const plain = [native, frames, native, frames, native, frames];
	return {
		seeds: [
			...plain,
			packed(".5", runLength(levels)),
			packed(".4.50", jpeg),
			packed(".4.80", Buffer.from(jpegLs, "base64")),
			packed(".4.90", Buffer.from(jpeg2000, "base64")),
		],
		mutations: [changeElement],
		async read(bytes) {
			const image = await readDicom(bytes, { name: "fuzzed" });
			await image.levels();
			if (image.frames > 1) await image.storedValues(image.frames - 1);
		},
	};
}

/** What a modality sends to the receiver, up to the library that speaks DICOM's protocol. */
export async function pduTarget(): Promise<FuzzTarget> {
	const unit = (type: number, body: Uint8Array) => {
		const head = Buffer.alloc(6);
		head.writeUInt8(type, 0);
		head.writeUInt32BE(body.length, 2);
		return Buffer.concat([head, body]);
	};
	const fragment = (control: number, body: Uint8Array) => {
		const head = Buffer.alloc(6);
		head.writeUInt32BE(body.length + 2, 0);
		head.writeUInt8(1, 4);
		head.writeUInt8(control, 5);
		return unit(4, Buffer.concat([head, body]));
	};
	/** A command set of one element: C-STORE-RQ. */
	const command = Buffer.from([0, 0, 0, 1, 2, 0, 0, 0, 1, 0]);
	return {
		seeds: [
			Buffer.concat([unit(1, Buffer.alloc(74)), fragment(3, command), fragment(0, levels), fragment(2, levels)]),
			Buffer.concat([unit(5, Buffer.alloc(4)), fragment(1, command.subarray(0, 4)), fragment(3, command.subarray(4))]),
		],
		read: (bytes) =>
			new Promise<void>((resolve, reject) => {
				const guard = new PduGuard();
				guard.on("error", reject);
				guard.on("end", resolve);
				guard.resume();
				// In two pieces, as a network brings them.
				guard.write(bytes.subarray(0, bytes.length >> 1));
				guard.end(bytes.subarray(bytes.length >> 1));
			}),
	};
}
