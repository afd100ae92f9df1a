import { signalError, signalLimit } from "./signal-error.js";
import { signalLimits } from "./signal-limits.js";

/** One signal's line of a WFDB header (header(5) of the WFDB manual). */
export interface WfdbSignal {
	readonly file: string;
	readonly format: number;
	/** Bytes of the file before its first sample. */
	readonly byteOffset: number;
	/** ADC units for each physical unit. */
	readonly gain: number;
	/** ADC value of physical 0. */
	readonly baseline: number;
	readonly unit: string;
	/** Sum of all samples modulo 65,536; undefined where the header does not say. */
	readonly checksum: number | undefined;
	readonly label: string;
}

export interface WfdbHeader {
	readonly sampleRate: number;
	/** Samples of each signal; undefined where the header does not say. */
	readonly samples: number | undefined;
	readonly signals: readonly WfdbSignal[];
}

/**
 * Reads the text of a WFDB header.
 * @throws DataError `PSGL_SIGNAL_HEADER`, `PSGL_SIGNAL_UNSUPPORTED`; LimitError `PSGL_SIGNAL_LIMIT`
 */
export function parseWfdbHeader(text: string, name: string): WfdbHeader {
	const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "" && !line.startsWith("#"));
	const [record = "", count = "", rate = "250", samples] = (lines[0] ?? "").trim().split(/\s+/);
	if (record.includes("/")) {
		throw signalError("PSGL_SIGNAL_UNSUPPORTED", name, "a record of several segments", "a record of one segment");
	}
	const signals = Number(count);
	const sampleRate = Number.parseFloat(rate);
	if (!/^\d+$/.test(count) || signals === 0 || !(sampleRate > 0)) {
		throw signalError(
			"PSGL_SIGNAL_HEADER",
			name,
			"a first line without them",
			"a name, a number of signals and a sample rate",
		);
	}
	if (signals > signalLimits.maxSignals) {
		throw signalLimit(name, `${signals} signals`, `${signalLimits.maxSignals} signals`);
	}
	if (lines.length <= signals) {
		throw signalError("PSGL_SIGNAL_HEADER", name, `${lines.length - 1} lines of signals`, `${signals}`);
	}
	const length = samples === undefined || !/^\d+$/.test(samples) || samples === "0" ? undefined : Number(samples);
	if (length !== undefined && length * signals > signalLimits.maxRecordValues) {
		throw signalLimit(name, `${length * signals} values`, `${signalLimits.maxRecordValues} values`);
	}
	return { sampleRate, samples: length, signals: lines.slice(1, signals + 1).map((line) => parseSignal(line, name)) };
}

function parseSignal(line: string, name: string): WfdbSignal {
	const [file = "", layout = "", scale = "", , zero = "0", , sum, , ...words] = line.trim().split(/\s+/);
	// A header must not lead out of its folder.
	const format = /^(\d+)(x\d+)?(:\d+)?(\+(\d+))?$/.exec(layout);
	if (format === null || !/^[A-Za-z0-9_.-]+$/.test(file) || file.startsWith(".")) {
		throw signalError(
			"PSGL_SIGNAL_HEADER",
			name,
			JSON.stringify(line.slice(0, 80)),
			"FILE FORMAT GAIN ... DESCRIPTION",
		);
	}
	if ((format[2] ?? "x1") !== "x1" || (format[3] ?? ":0") !== ":0") {
		throw signalError("PSGL_SIGNAL_UNSUPPORTED", name, `layout ${layout}`, "one sample a frame, no skew");
	}
	// `200(1024)/mV`: gain, baseline, unit. A gain of 0 means unknown: 200 (DEFGAIN).
	const [, gainText = "", baselineText, unit = "mV"] =
		/^([-+\d.eE]*)(?:\(([-+]?\d+)\))?(?:\/(\S+))?$/.exec(scale) ?? [];
	const gain = Number(gainText) || 200;
	const checksum = sum !== undefined && /^-?\d+$/.test(sum) ? Number(sum) : undefined;
	return {
		file,
		format: Number(format[1]),
		byteOffset: Number(format[5] ?? 0),
		gain,
		baseline: baselineText === undefined ? Number(zero) || 0 : Number(baselineText),
		unit,
		checksum,
		label: words.join(" "),
	};
}
