import { basename, join } from "node:path";
import { PsglError } from "../../errors.js";
import { completeSplits } from "../complete-splits.js";
import { type DataSplits, Dataset } from "../dataset.js";
import type { LoadOptions } from "../load-options.js";
import type { WindowProvenance } from "../sample-provenance.js";
import { annotatedWindows, type SetAside, type WindowSample } from "./annotated-windows.js";
import { readCsvAnnotations, readCsvSignals } from "./read-csv.js";
import { readEdf } from "./read-edf.js";
import { readWfdb } from "./read-wfdb.js";
import { signalError } from "./signal-error.js";
import type { SignalRecord } from "./signal-record.js";
import { beatSymbols } from "./wfdb-annotations.js";

/** Beats of a class below which it is left out: too few to be in each of three parts. */
const smallestClass = 3;

const recordings = /\.(hea|edf)$|^.+\.signals\.csv$/i;

/** Whether files are recordings: WFDB headers, EDF files, or `NAME.signals.csv`. */
export const isSignalFolder = (files: readonly string[]): boolean => files.some((file) => recordings.test(file));

/**
 * Loads a folder of recordings, each of one patient: a sample [1,128] around each annotated beat (or labelled moment) of the first
 * signal, scaled with its recording to [0,1]; the parts keep recordings together. WFDB records bring their annotations in
 * `NAME.atr`; EDF files in EDF+ annotations or `NAME.labels.csv`; `NAME.signals.csv` in `NAME.labels.csv`.
 *
 * @throws DataError `PSGL_SIGNAL_CLASSES`, `PSGL_DATA_EMPTY`; with `strict` those of the readers
 */
export async function loadSignalFolder(
	folder: string,
	files: readonly string[],
	options: LoadOptions,
): Promise<DataSplits> {
	const names = files.filter((file) => recordings.test(file)).sort();
	const records: { index: number; record: SignalRecord }[] = [];
	for (const [index, file] of names.entries()) {
		options.signal?.throwIfAborted();
		try {
			records.push({ index, record: await readRecording(folder, file, files, options.signal) });
		} catch (error) {
			if (options.strict || !(error instanceof PsglError)) throw error;
			options.onProgress?.({ type: "warning", code: error.code, message: `${error.message} It was left out.` });
		}
		options.onProgress?.({ type: "progress", done: index + 1, total: names.length });
	}
	const { classes = classesOf(records.map(({ record }) => record)) } = options;
	if (classes.length < 2) {
		throw signalError(
			"PSGL_SIGNAL_CLASSES",
			folder,
			classes.join(", ") || "no annotations",
			"annotations of two classes",
		);
	}
	const samples: WindowSample[] = [];
	const from: number[] = [];
	const setAside: Partial<Record<SetAside, number>> = {};
	for (const { index, record } of records) {
		const found = annotatedWindows(record, { classes });
		samples.push(...found.samples);
		for (let i = 0; i < found.samples.length; i++) from.push(index);
		for (const [reason, count] of Object.entries(found.setAside) as [SetAside, number][]) {
			setAside[reason] = (setAside[reason] ?? 0) + count;
		}
	}
	const told = Object.entries(setAside).filter(([, count]) => count > 0);
	if (told.length > 0) {
		const message = `${basename(folder)}: windows set aside: ${told.map(([reason, count]) => `${count} ${reason}`).join(", ")}`;
		options.onProgress?.({ type: "warning", code: "PSGL_SIGNAL_SET_ASIDE", message });
	}
	return completeSplits(basename(folder), { train: assemble(samples, from, classes), byRecord: true }, options);
}

async function readRecording(
	folder: string,
	file: string,
	files: readonly string[],
	signal: AbortSignal | undefined,
): Promise<SignalRecord> {
	const path = join(folder, file);
	if (/\.hea$/i.test(file)) return readWfdb(path, { signal });
	const record = /\.edf$/i.test(file) ? await readEdf(path, { signal }) : await readCsvSignals(path, { signal });
	const labels = `${file.replace(/(\.signals)?\.[^.]+$/, "")}.labels.csv`;
	return files.includes(labels)
		? { ...record, annotations: await readCsvAnnotations(join(folder, labels), { signal }) }
		: record;
}

/** Labels that occur often enough; where any is a beat's symbol, as in WFDB records, only those that are. */
function classesOf(records: readonly SignalRecord[]): string[] {
	const counts = new Map<string, number>();
	for (const { annotations } of records) {
		for (const { label } of annotations) counts.set(label, (counts.get(label) ?? 0) + 1);
	}
	const often = [...counts].filter(([, count]) => count >= smallestClass).map(([label]) => label);
	const beats = records.some(({ provenance }) => provenance.kind === "wfdb");
	return often.filter((label) => !beats || beatSymbols.has(label)).sort();
}

function assemble(samples: readonly WindowSample[], from: readonly number[], classes: readonly string[]): Dataset {
	const length = samples[0]?.x.data.length ?? 1;
	const values = new Float32Array(samples.length * length);
	const provenance = samples.map((sample) => sample.provenance);
	samples.forEach(({ x }, i) => {
		values.set(x.data, i * length);
	});
	return new Dataset({
		shape: [1, length],
		classes,
		labels: Int32Array.from(samples, ({ label }) => label),
		samples: values,
		records: Int32Array.from(from),
		provenance: (index) => provenance[index] as WindowProvenance,
	});
}
