import { parseTimestampedAnnotations } from "./edf-annotations.js";
import { type EdfHeader, type EdfSignal, parseEdfHeader } from "./edf-header.js";
import type { ReadSignalOptions } from "./read-wfdb.js";
import { signalError, signalLimit } from "./signal-error.js";
import { digestOf, readSignalFile } from "./signal-file.js";
import { signalLimits } from "./signal-limits.js";
import type { Annotation, Signal, SignalRecord } from "./signal-record.js";

/**
 * Reads an EDF or EDF+ recording (Kemp et al. 1992; Kemp and Olivan 2003). Signals keep their own sample rates; the gaps of a
 * discontinuous one (EDF+D) are filled with NaN. What the header says of the patient is not read.
 *
 * @throws DataError `PSGL_DATA_NOT_FOUND`, `PSGL_DATA_UNREADABLE`, `PSGL_SIGNAL_HEADER`, `PSGL_SIGNAL_TRUNCATED`;
 * LimitError `PSGL_SIGNAL_LIMIT`
 */
export async function readEdf(path: string, { signal }: ReadSignalOptions = {}): Promise<SignalRecord> {
	const bytes = await readSignalFile(path, signal);
	const header = parseEdfHeader(bytes, path);
	const present = Math.floor((bytes.length - header.headerBytes) / header.recordBytes);
	// A recorder that was cut off leaves -1: as many records as there are.
	const records = header.records === -1 ? present : header.records;
	if (present < records) {
		throw signalError("PSGL_SIGNAL_TRUNCATED", path, `${present} data records`, `${records}`);
	}
	const annotations: Annotation[] = [];
	const starts = recordStarts(bytes, header, records, annotations, path);
	const signals: Signal[] = [];
	let offset = header.headerBytes;
	const seconds = records === 0 ? 0 : (starts[records - 1] as number) + header.recordSeconds;
	const total = header.signals.reduce((sum, line) => sum + (line.annotations ? 0 : seconds * rateOf(line, header)), 0);
	if (total > signalLimits.maxRecordValues) {
		throw signalLimit(path, `${Math.round(total)} values with its gaps`, `${signalLimits.maxRecordValues} values`);
	}
	for (const line of header.signals) {
		if (!line.annotations) signals.push(readSignal(bytes, line, header, starts, offset));
		offset += line.samples * 2;
	}
	annotations.sort((a, b) => a.time - b.time);
	return { signals, annotations, provenance: { kind: "edf", digest: digestOf(bytes) } };
}

const rateOf = (line: EdfSignal, header: EdfHeader): number => line.samples / header.recordSeconds;

/** Seconds at which each data record starts: in EDF+ as its first annotation says, else one after the other. */
function recordStarts(
	bytes: Buffer,
	header: EdfHeader,
	records: number,
	into: Annotation[],
	name: string,
): Float64Array {
	const starts = Float64Array.from({ length: records }, (_, r) => r * header.recordSeconds);
	let offset = header.headerBytes;
	let timeKeeping = true;
	for (const line of header.signals) {
		if (line.annotations) {
			for (let r = 0; r < records; r++) {
				const at = offset + r * header.recordBytes;
				const { onset, annotations } = parseTimestampedAnnotations(bytes.subarray(at, at + line.samples * 2));
				into.push(...annotations);
				if (into.length > signalLimits.maxAnnotations) {
					throw signalLimit(name, "more annotations", `${signalLimits.maxAnnotations} annotations`);
				}
				if (timeKeeping && onset !== undefined) starts[r] = onset;
			}
			timeKeeping = false;
		}
		offset += line.samples * 2;
	}
	for (let r = 1; r < records; r++) {
		// Clocks are written with few digits: a thousandth of a record early is no step back.
		if ((starts[r] as number) < (starts[r - 1] as number) + header.recordSeconds * 0.999) {
			throw signalError(
				"PSGL_SIGNAL_HEADER",
				name,
				`data record ${r} at ${starts[r]} s`,
				"records one after the other",
			);
		}
	}
	return starts;
}

function readSignal(bytes: Buffer, line: EdfSignal, header: EdfHeader, starts: Float64Array, offset: number): Signal {
	const rate = rateOf(line, header);
	const last = starts.at(-1);
	const length = last === undefined ? 0 : Math.round(last * rate) + line.samples;
	const values = new Float32Array(length).fill(Number.NaN);
	const scale = (line.physicalMax - line.physicalMin) / (line.digitalMax - line.digitalMin);
	for (let r = 0; r < starts.length; r++) {
		const to = Math.round((starts[r] as number) * rate);
		const from = offset + r * header.recordBytes;
		for (let i = 0; i < line.samples; i++) {
			values[to + i] = (bytes.readInt16LE(from + 2 * i) - line.digitalMin) * scale + line.physicalMin;
		}
	}
	return { label: line.label, unit: line.unit, sampleRate: rate, values };
}
