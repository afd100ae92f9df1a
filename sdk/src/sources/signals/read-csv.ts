import { parseTextTable, type TextTable } from "../text-table.js";
import type { ReadSignalOptions } from "./read-wfdb.js";
import { signalError, signalLimit } from "./signal-error.js";
import { digestOf, readSignalFile } from "./signal-file.js";
import { signalLimits } from "./signal-limits.js";
import type { Annotation, Signal, SignalRecord } from "./signal-record.js";

export interface ReadCsvOptions extends ReadSignalOptions {
	/** Values a second, for a file without a column `time`. */
	readonly sampleRate?: number | undefined;
}

/**
 * Reads signals from text: a first line of names, then a line of numbers for each moment, parted by commas, semicolons or
 * tabs. A column `time` holds seconds; steps of more than one and a half samples are gaps and filled with NaN, as
 * empty cells and `NaN` are.
 *
 * @throws DataError `PSGL_DATA_NOT_FOUND`, `PSGL_DATA_UNREADABLE`, `PSGL_SIGNAL_HEADER`; LimitError `PSGL_SIGNAL_LIMIT`
 */
export async function readCsvSignals(path: string, options: ReadCsvOptions = {}): Promise<SignalRecord> {
	const bytes = await readSignalFile(path, options.signal);
	const { names, rows } = parseTable(bytes, path);
	if (names.length > signalLimits.maxSignals) {
		throw signalLimit(path, `${names.length} columns`, `${signalLimits.maxSignals} columns`);
	}
	const timeColumn = names.findIndex((name) => name.toLowerCase() === "time");
	const times = timeColumn < 0 ? undefined : rows.map((row, i) => number(row[timeColumn], path, i, "time"));
	const sampleRate = options.sampleRate ?? (times && rateOf(times, path));
	if (sampleRate === undefined || !(sampleRate > 0)) {
		throw signalError("PSGL_SIGNAL_HEADER", path, "no column time and no sample rate", "one of them");
	}
	const start = times?.[0] ?? 0;
	const place = (i: number) => (times === undefined ? i : Math.round(((times[i] as number) - start) * sampleRate));
	const length = rows.length === 0 ? 0 : place(rows.length - 1) + 1;
	const columns = names.map((_, c) => c).filter((c) => c !== timeColumn);
	if (length * columns.length > signalLimits.maxRecordValues) {
		throw signalLimit(
			path,
			`${length * columns.length} values with its gaps`,
			`${signalLimits.maxRecordValues} values`,
		);
	}
	const signals = columns.map((c): Signal => {
		const values = new Float32Array(length).fill(Number.NaN);
		for (const [i, row] of rows.entries()) values[place(i)] = cell(row[c], path, i, names[c] as string);
		return { label: names[c] as string, unit: "", sampleRate, values };
	});
	return { signals, annotations: [], provenance: { kind: "csv", digest: digestOf(bytes) } };
}

/**
 * Reads annotations from text: columns `time` (seconds) and `label`.
 * @throws DataError `PSGL_DATA_NOT_FOUND`, `PSGL_DATA_UNREADABLE`, `PSGL_SIGNAL_HEADER`; LimitError `PSGL_SIGNAL_LIMIT`
 */
export async function readCsvAnnotations(path: string, { signal }: ReadSignalOptions = {}): Promise<Annotation[]> {
	const { names, rows } = parseTable(await readSignalFile(path, signal), path);
	const time = names.indexOf("time");
	const label = names.indexOf("label");
	if (time < 0 || label < 0) throw signalError("PSGL_SIGNAL_HEADER", path, names.join(", "), "columns time and label");
	if (rows.length > signalLimits.maxAnnotations) {
		throw signalLimit(path, `${rows.length} annotations`, `${signalLimits.maxAnnotations} annotations`);
	}
	const annotations = rows.map((row, i) => ({ time: number(row[time], path, i, "time"), label: row[label] ?? "" }));
	return annotations.sort((a, b) => a.time - b.time);
}

function parseTable(bytes: Buffer, path: string): TextTable {
	const table = parseTextTable(bytes.toString("utf8"));
	if (table.names.some((name) => name === "" || Number.isFinite(Number(name)))) {
		const got = "a first line with numbers or without names";
		throw signalError("PSGL_SIGNAL_HEADER", path, got, "a first line of column names");
	}
	return table;
}

/** A value, NaN where the cell is empty or says so. */
function cell(text: string | undefined, path: string, row: number, column: string): number {
	if (text === undefined || text === "" || /^nan$/i.test(text)) return Number.NaN;
	return number(text, path, row, column);
}

function number(text: string | undefined, path: string, row: number, column: string): number {
	const value = Number(text === "" ? Number.NaN : text);
	if (Number.isFinite(value)) return value;
	throw signalError("PSGL_SIGNAL_HEADER", path, `no number in line ${row + 2}, column ${column}`, "finite numbers");
}

/** The inverse of the median step, so that gaps do not count. */
function rateOf(times: readonly number[], path: string): number {
	const steps = times.slice(1).map((time, i) => time - (times[i] as number));
	if (steps.length === 0 || steps.some((step) => !(step > 0))) {
		throw signalError("PSGL_SIGNAL_HEADER", path, "times that do not rise", "seconds, line by line");
	}
	return 1 / (steps.sort((a, b) => a - b)[steps.length >> 1] as number);
}
