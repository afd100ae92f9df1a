import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32, gunzipSync, gzipSync } from "node:zlib";
import { DataError, type Random } from "@psgl/sdk";
import { decodeImage, loadData } from "@psgl/sdk/sources";
import sharp from "sharp";
import { npyBytes, npyText, npzBytes } from "../../helpers/write-npz.js";
import { pngBytes } from "../../helpers/write-png.js";
import type { FuzzTarget } from "../fuzz-target.js";
import { edges, type Mutation, mutations, pick, replaced } from "../mutations.js";
import { scratchFolder } from "./scratch-folder.js";
import { changeMember } from "./zip-members.js";

const options = { seed: 1, imageSize: 8 };

const bytesFrom = (length: number, of: (i: number) => number) => Uint8Array.from({ length }, (_, i) => of(i));

/** Another text in the header of an npy file: sizes, types, order. */
const changeNpyHeader: Mutation = (bytes, random) => {
	const header = Buffer.from(bytes.subarray(0, 128)).toString("latin1");
	const numbers = [...header.matchAll(/\d+|'[<>|=][a-zA-Z]\d*'|True|False/g)].filter(({ index }) => index >= 10);
	if (numbers.length === 0) return bytes;
	const { 0: text, index } = pick(random, numbers);
	return replaced(bytes, index, index + text.length, Buffer.from(otherText(random, text)));
};

function otherText(random: Random, text: string): string {
	if (/^\d/.test(text)) return String(pick(random, [...edges, -1, 2 ** 53, 1e21, "1L", ""]));
	if (text.startsWith("'")) {
		const kinds = ["|u1", "<i8", ">i8", "<f2", ">f8", "|b1", "<U3", ">U1", "|O", "<U999999999", "<u4", "|S4", "<c8"];
		return `'${pick(random, kinds)}'`;
	}
	return text === "True" ? "False" : "True";
}

/** npz archives of pictures, signals and texts, loaded as a data set. */
export async function npzTarget(): Promise<FuzzTarget> {
	const labels = npyBytes(
		"|u1",
		[20, 1],
		bytesFrom(20, (i) => i % 2),
	);
	const pictures = npyBytes(
		"|u1",
		[20, 4, 4],
		bytesFrom(320, (i) => i & 255),
	);
	const signals = npyBytes(
		"<f4",
		[20, 16],
		Float32Array.from({ length: 320 }, (_, i) => Math.sin(i)),
	);
	const marks = npyBytes(
		"<i8",
		[20, 3],
		BigInt64Array.from({ length: 60 }, (_, i) => BigInt(i & 1)),
	);
	const records = npyBytes(
		"<i2",
		[20],
		Int16Array.from({ length: 20 }, (_, i) => i >> 2),
	);
	const classes = npyText("a");
	return fileTarget({
		seeds: [
			npzBytes({ train_images: pictures, train_labels: labels, test_images: pictures, test_labels: labels }),
			npzBytes({ train_images: pictures, train_labels: marks, classes }),
			npzBytes({ train_signals: signals, train_labels: labels, train_records: records }),
		],
		mutations: [changeMember((name) => (name.endsWith(".npy") ? changeNpyHeader : undefined))],
		write(folder, bytes) {
			const path = join(folder, "set.npz");
			writeFileSync(path, bytes);
			return path;
		},
	});
}

/** idx files as MNIST has them, pictures and labels, plain and gzip. */
export async function idxTarget(): Promise<FuzzTarget> {
	const pictures = idxBytes([20, 4, 4], (i) => i & 255);
	const labels = idxBytes([20], (i) => i % 2);
	const inside: Mutation = (bytes, random, seeds) => {
		try {
			return gzipSync(pick(random, mutations)(gunzipSync(bytes, { maxOutputLength: 1 << 20 }), random, seeds));
		} catch {
			return bytes;
		}
	};
	return fileTarget({
		seeds: [pictures, gzipSync(pictures), labels, gzipSync(labels)],
		mutations: [inside],
		write(folder, bytes) {
			const isPacked = bytes[0] === 0x1f;
			const areLabels = bytes.length < 100;
			put(folder, "train-images-idx3-ubyte", areLabels ? pictures : bytes, isPacked && !areLabels);
			put(folder, "train-labels-idx1-ubyte", areLabels ? bytes : labels, isPacked && areLabels);
			return folder;
		},
	});
}

/** A picture of any kind, decoded as those of a folder are. */
export async function imageTarget(): Promise<FuzzTarget> {
	const scratch = await scratchFolder();
	const path = join(scratch.folder, "picture");
	const values = bytesFrom(12 * 10 * 3, (i) => (i * 7) & 255);
	const raw = sharp(values, { raw: { width: 12, height: 10, channels: 3 } });
	const seeds = await Promise.all(
		[raw.png(), raw.jpeg(), raw.webp(), raw.tiff(), raw.gif(), raw.png({ palette: true })].map((picture) =>
			picture.toBuffer(),
		),
	);
	const grey = pngBytes(
		6,
		6,
		1,
		Uint16Array.from({ length: 36 }, (_, i) => i * 1000),
	);
	// One thread is enough for a picture this small, and none is ever asked for again.
	sharp.concurrency(1);
	sharp.cache(false);
	return {
		seeds: [...seeds, grey],
		reseal: resealPng,
		async read(bytes) {
			writeFileSync(path, bytes);
			try {
				await decodeImage(path, 8, 3);
			} catch (cause) {
				// The folder's reader does the same with what sharp says.
				if (!(cause instanceof Error) || cause.name !== "Error") throw cause;
				throw new DataError("PSGL_IMAGE_UNDECODABLE", { what: "the picture cannot be decoded", cause });
			}
		},
		close: () => scratch.remove(),
	};
}

/** Every chunk's CRC of a PNG put right, as far as its lengths lead (ISO/IEC 15948 section 5.3). */
function resealPng(bytes: Uint8Array): Uint8Array {
	const result = Buffer.from(bytes);
	if (result.length < 8 || result.readUInt32BE(0) !== 0x89504e47) return bytes;
	for (let at = 8; at + 12 <= result.length; ) {
		const end = at + 8 + result.readUInt32BE(at);
		if (end + 4 > result.length) break;
		result.writeUInt32BE(crc32(result.subarray(at + 4, end)), end);
		at = end + 4;
	}
	return result;
}

/** A file under its name, or under that of its packed form; the other is gone. */
function put(folder: string, name: string, bytes: Uint8Array, isPacked: boolean): void {
	const path = join(folder, name);
	rmSync(isPacked ? path : `${path}.gz`, { force: true });
	writeFileSync(isPacked ? `${path}.gz` : path, bytes);
}

function idxBytes(dims: readonly number[], of: (i: number) => number): Uint8Array {
	const header = Buffer.alloc(4 + 4 * dims.length);
	header.writeUInt32BE(0x0800 + dims.length);
	dims.forEach((dim, i) => {
		header.writeUInt32BE(dim, 4 + 4 * i);
	});
	const count = dims.reduce((a, b) => a * b, 1);
	return Buffer.concat([header, bytesFrom(count, of)]);
}

type FileTarget = Omit<FuzzTarget, "read" | "close"> & {
	/** Writes an input into a folder, over the one before it; gives the path to load. */
	readonly write: (folder: string, bytes: Uint8Array) => string;
};

/** Inputs of a reader that takes paths. */
async function fileTarget({ write, ...target }: FileTarget): Promise<FuzzTarget> {
	const scratch = await scratchFolder();
	return {
		...target,
		async read(bytes) {
			await loadData(write(scratch.folder, bytes), options);
		},
		close: () => scratch.remove(),
	};
}
