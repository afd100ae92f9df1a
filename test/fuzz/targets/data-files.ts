import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import type { Random } from "@psgl/sdk";
import { loadData } from "@psgl/sdk/sources";
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
	const signals = npyBytes("<f4", [20, 16], Float32Array.from({ length: 320 }, Math.sin));
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
		concurrency: 4,
		async write(folder, bytes) {
			const path = join(folder, "set.npz");
			await writeFile(path, bytes);
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
		concurrency: 4,
		async write(folder, bytes) {
			const packed = bytes[0] === 0x1f ? ".gz" : "";
			const areLabels = bytes.length < 100;
			await writeFile(join(folder, `train-images-idx3-ubyte${areLabels ? "" : packed}`), areLabels ? pictures : bytes);
			await writeFile(join(folder, `train-labels-idx1-ubyte${areLabels ? packed : ""}`), areLabels ? bytes : labels);
			return folder;
		},
	});
}

/** A picture that can be damaged beside ones that are whole. */
export async function imageTarget(): Promise<FuzzTarget> {
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
	return fileTarget({
		seeds: [...seeds, grey],
		concurrency: 4,
		async write(folder, bytes) {
			await mkdir(join(folder, "a"));
			await mkdir(join(folder, "b"));
			await writeFile(join(folder, "b", "whole.png"), grey);
			await writeFile(join(folder, "a", "damaged.png"), bytes);
			return folder;
		},
	});
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
	/** Writes an input into an empty folder; gives the path to load. */
	readonly write: (folder: string, bytes: Uint8Array) => Promise<string>;
};

/** Inputs of a reader that takes paths: each in a folder of its own. */
async function fileTarget({ write, ...target }: FileTarget): Promise<FuzzTarget> {
	const scratch = await scratchFolder();
	let cases = 0;
	return {
		...target,
		async read(bytes) {
			const folder = join(scratch.folder, String(cases++));
			await mkdir(folder);
			try {
				await loadData(await write(folder, bytes), options);
			} finally {
				await rm(folder, { recursive: true, force: true });
			}
		},
		close: () => scratch.remove(),
	};
}
