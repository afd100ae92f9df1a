import { access } from "node:fs/promises";
import { dirname, join } from "node:path";
import { signalError, signalLimit } from "./signal-error.js";
import { digestOf, readSignalFile } from "./signal-file.js";
import { signalLimits } from "./signal-limits.js";
import type { Annotation, Signal, SignalRecord } from "./signal-record.js";
import { parseWfdbAnnotations } from "./wfdb-annotations.js";
import { parseWfdbHeader, type WfdbHeader, type WfdbSignal } from "./wfdb-header.js";
import { wfdbFormats } from "./wfdb-samples.js";

export interface ReadSignalOptions {
	readonly signal?: AbortSignal | undefined;
}

/**
 * Reads a WFDB record: `NAME.hea`, the files it names, and `NAME.atr` where there is one. Formats 16, 24, 32, 61, 80, 212.
 *
 * @param path the header, `NAME.hea`
 * @throws DataError `PSGL_DATA_NOT_FOUND`, `PSGL_DATA_UNREADABLE`, `PSGL_SIGNAL_HEADER`, `PSGL_SIGNAL_UNSUPPORTED`,
 * `PSGL_SIGNAL_TRUNCATED` (also for a wrong checksum); LimitError `PSGL_SIGNAL_LIMIT`
 */
export async function readWfdb(path: string, { signal }: ReadSignalOptions = {}): Promise<SignalRecord> {
	const header = parseWfdbHeader((await readSignalFile(path, signal)).toString("latin1"), path);
	const signals: Signal[] = [];
	const digests: string[] = [];
	for (const file of new Set(header.signals.map((line) => line.file))) {
		const bytes = await readSignalFile(join(dirname(path), file), signal);
		digests.push(digestOf(bytes));
		const lines = header.signals.filter((line) => line.file === file);
		signals.push(...readSignals(bytes, lines, header, path));
	}
	return {
		signals,
		annotations: await readAnnotations(path.replace(/\.hea$/i, ".atr"), header.sampleRate, signal),
		provenance: { kind: "wfdb", digest: digestOf(Buffer.from(digests.join())) },
	};
}

function readSignals(bytes: Buffer, lines: readonly WfdbSignal[], header: WfdbHeader, name: string): Signal[] {
	const { format, byteOffset, file } = lines[0] as WfdbSignal;
	const read = wfdbFormats[format];
	if (read === undefined || lines.some((line) => line.format !== format)) {
		const known = Object.keys(wfdbFormats).join(", ");
		throw signalError("PSGL_SIGNAL_UNSUPPORTED", name, `format ${format} in ${file}`, `one of the formats ${known}`);
	}
	const values = read(bytes.subarray(byteOffset));
	const available = Math.floor(values.length / lines.length);
	const length = header.samples ?? available;
	if (available < length) {
		throw signalError("PSGL_SIGNAL_TRUNCATED", name, `${available} samples in ${file}`, `${length}`);
	}
	if (length * lines.length > signalLimits.maxRecordValues) {
		throw signalLimit(name, `${length * lines.length} values`, `${signalLimits.maxRecordValues} values`);
	}
	return lines.map((line, s) => {
		const physical = new Float32Array(length);
		let sum = 0;
		for (let i = 0; i < length; i++) {
			const raw = values[i * lines.length + s] as number;
			// A gap's marker counts in the sum as well; a record with gaps is not checked.
			sum += raw;
			physical[i] = (raw - line.baseline) / line.gain;
		}
		const differs = Number.isFinite(sum) && ((sum - (line.checksum ?? sum)) & 0xffff) !== 0;
		if (differs && header.samples !== undefined) {
			throw signalError("PSGL_SIGNAL_TRUNCATED", name, `checksum ${sum & 0xffff} of ${file}`, `${line.checksum}`);
		}
		return { label: line.label, unit: line.unit, sampleRate: header.sampleRate, values: physical };
	});
}

async function readAnnotations(path: string, rate: number, signal: AbortSignal | undefined): Promise<Annotation[]> {
	const there = await access(path).then(
		() => true,
		() => false,
	);
	return there ? parseWfdbAnnotations(await readSignalFile(path, signal), rate, path) : [];
}
