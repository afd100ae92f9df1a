import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { readCsvAnnotations, readCsvSignals, readEdf, readWfdb } from "@psgl/sdk/sources/signals";
import { edfBytes, wfdbAnnotations, wfdbSamples } from "../../helpers/write-signals.js";
import type { FuzzTarget } from "../fuzz-target.js";
import { edges, type Mutation, pick, replaced } from "../mutations.js";
import { scratchFolder } from "./scratch-folder.js";

const wave = Array.from({ length: 60 }, (_, i) => Math.round(900 * Math.sin(i / 9)));

/** Another number in the text of a header or table. */
const changeNumber: Mutation = (bytes, random) => {
	const numbers = [
		...Buffer.from(bytes.subarray(0, 4096))
			.toString("latin1")
			.matchAll(/-?\d+(\.\d+)?/g),
	];
	if (numbers.length === 0) return bytes;
	const { 0: text, index } = pick(random, numbers);
	const other = String(pick(random, [...edges, -1, 0.001, 1e21, "x", "", "NaN", "1e9"]));
	// EDF has fields of fixed width: what is longer moves all that follow.
	const fitted = random.integer(2) === 0 ? other : other.padEnd(text.length).slice(0, text.length);
	return replaced(bytes, index, index + text.length, Buffer.from(fitted));
};

/** Header, signals (of both formats) or annotations of a WFDB record, as the first byte says; the other files are whole. */
export async function wfdbTarget(): Promise<FuzzTarget> {
	const scratch = await scratchFolder();
	const sum = wave.reduce((total, value) => total + value, 0);
	const header = (sums: string) =>
		[
			`r 2 360 ${wave.length}`,
			`r.dat 212 200(24)/mV 12 0 0 ${sums} 0 MLII`,
			`s.dat 16 100/uV 12 10 0 ${sums} 0 V5`,
			"# x1",
		].join("\n");
	const marks = wfdbAnnotations([
		{ at: 3, label: 1 },
		{ at: 20, label: 28 },
		{ at: 5000, label: 5 },
	]);
	const files = [Buffer.from(header(String(sum))), wfdbSamples(wave, 212), wfdbSamples(wave, 16), marks];
	const names = ["r.hea", "r.dat", "s.dat", "r.atr"].map((name) => join(scratch.folder, name));
	for (const [i, name] of names.entries()) writeFileSync(name, files[i] as Uint8Array);
	/** The file that is not whole. */
	let last = 0;
	// Without a checksum whatever the signals became is read on.
	const unchecked = Buffer.from(header("x"));
	return {
		seeds: [...files, unchecked].map((file, i) => Buffer.concat([Buffer.of(i % files.length), file])),
		mutations: [(bytes, ...rest) => Buffer.concat([bytes.subarray(0, 1), changeNumber(bytes.subarray(1), ...rest)])],
		async read(bytes) {
			const role = (bytes[0] ?? 0) % files.length;
			writeFileSync(names[last] as string, files[last] as Uint8Array);
			writeFileSync(names[role] as string, bytes.subarray(1));
			last = role;
			await readWfdb(names[0] as string);
		},
		close: () => scratch.remove(),
	};
}

/** EDF and EDF+ files. */
export async function edfTarget(): Promise<FuzzTarget> {
	const signals = [
		{ label: "ECG", values: wave, perRecord: 20 },
		{ label: "Resp", values: wave.slice(0, 15), perRecord: 5 },
	];
	const text = [{ at: 1, label: "a beat" }];
	return oneFile("r.edf", {
		seeds: [edfBytes(signals), edfBytes(signals, { marks: text }), edfBytes(signals, { starts: [0, 1, 7] })],
		mutations: [changeNumber],
		read: (path) => readEdf(path),
	});
}

/** Tables of signals and of annotations. */
export async function csvTarget(): Promise<FuzzTarget> {
	const table = ["time,ecg,resp", ...wave.map((value, i) => `${i / 100},${value},${value / 2}`)].join("\n");
	return oneFile("r.csv", {
		seeds: [table, table.replaceAll(",", "\t"), "time,label\n0.5,N\n1.25,V"].map((text) => Buffer.from(text)),
		mutations: [changeNumber],
		read: (path, bytes) => (bytes.includes("label") ? readCsvAnnotations(path) : readCsvSignals(path)),
	});
}

type OneFile = Omit<FuzzTarget, "read" | "close"> & {
	readonly read: (path: string, bytes: Buffer) => Promise<unknown>;
};

/** Inputs of a reader that takes the path of one file: each over the one before it. */
async function oneFile(name: string, { read, ...target }: OneFile): Promise<FuzzTarget> {
	const scratch = await scratchFolder();
	const path = join(scratch.folder, name);
	return {
		...target,
		async read(bytes) {
			writeFileSync(path, bytes);
			await read(path, Buffer.from(bytes));
		},
		close: () => scratch.remove(),
	};
}
