import { signalError, signalLimit } from "./signal-error.js";
import { signalLimits } from "./signal-limits.js";

export interface EdfSignal {
	readonly label: string;
	readonly unit: string;
	readonly physicalMin: number;
	readonly physicalMax: number;
	readonly digitalMin: number;
	readonly digitalMax: number;
	/** Samples of each data record. */
	readonly samples: number;
	/** An EDF+ signal of annotations, not of values. */
	readonly annotations: boolean;
}

export interface EdfHeader {
	readonly headerBytes: number;
	/** Data records; -1 when the recorder never wrote how many. */
	readonly records: number;
	/** Seconds of one data record. */
	readonly recordSeconds: number;
	readonly recordBytes: number;
	readonly signals: readonly EdfSignal[];
}

/** Width of each field of a signal, all signals' fields of one kind together. */
const widths = {
	label: 16,
	transducer: 80,
	unit: 8,
	physicalMin: 8,
	physicalMax: 8,
	digitalMin: 8,
	digitalMax: 8,
	filter: 80,
	samples: 8,
};

/**
 * Reads the header of an EDF or EDF+ file but for the fields on patient, place and date.
 * @throws DataError `PSGL_SIGNAL_HEADER`, `PSGL_SIGNAL_TRUNCATED`; LimitError `PSGL_SIGNAL_LIMIT`
 */
export function parseEdfHeader(bytes: Buffer, name: string): EdfHeader {
	const text = (from: number, length: number) => bytes.toString("latin1", from, from + length).trim();
	const fail = (got: string, expected: string) => signalError("PSGL_SIGNAL_HEADER", name, got, expected);
	if (bytes.length < 256)
		throw signalError("PSGL_SIGNAL_TRUNCATED", name, `${bytes.length} bytes`, "a header of 256 bytes");
	if (text(0, 8) !== "0") throw fail("another version", "an EDF or EDF+ file, version 0");
	const records = Number(text(236, 8));
	const duration = Number(text(244, 8));
	const count = Number(text(252, 4));
	if (!Number.isInteger(records) || records < -1 || !(duration >= 0) || !Number.isInteger(count) || count < 1) {
		throw fail("numbers that make no sense", "data records, their seconds and the number of signals");
	}
	if (count > signalLimits.maxSignals)
		throw signalLimit(name, `${count} signals`, `${signalLimits.maxSignals} signals`);
	const headerBytes = 256 * (count + 1);
	if (bytes.length < headerBytes) {
		throw signalError("PSGL_SIGNAL_TRUNCATED", name, `${bytes.length} bytes`, `a header of ${headerBytes} bytes`);
	}
	const fieldAt = (field: keyof typeof widths, s: number): string => {
		let from = 256;
		for (const [other, width] of Object.entries(widths)) {
			if (other === field) return text(from + s * width, width);
			from += width * count;
		}
		return "";
	};
	const signals = Array.from({ length: count }, (_, s): EdfSignal => {
		const label = fieldAt("label", s);
		const numbers = (["physicalMin", "physicalMax", "digitalMin", "digitalMax", "samples"] as const).map((field) => {
			const value = Number(fieldAt(field, s) || Number.NaN);
			if (!Number.isFinite(value)) throw fail(`signal ${s} without ${field}`, "a number");
			return value;
		});
		const [physicalMin = 0, physicalMax = 0, digitalMin = 0, digitalMax = 0, samples = 0] = numbers;
		const annotations = label === "EDF Annotations";
		if (!Number.isInteger(samples) || samples < 1 || (!annotations && digitalMax <= digitalMin)) {
			throw fail(
				`signal ${s} of ${samples} samples a record, digital range ${digitalMin} to ${digitalMax}`,
				"both above 0",
			);
		}
		return { label, unit: fieldAt("unit", s), physicalMin, physicalMax, digitalMin, digitalMax, samples, annotations };
	});
	if (duration === 0 && signals.some((line) => !line.annotations))
		throw fail("data records of 0 seconds", "a duration");
	const recordBytes = signals.reduce((sum, line) => sum + line.samples * 2, 0);
	return { headerBytes, records, recordSeconds: duration, recordBytes, signals };
}
