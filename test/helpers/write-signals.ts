/** A mark on a recording: the sample it is at, and its code (WFDB) or text (EDF+). */
export interface Mark<T> {
	readonly at: number;
	readonly label: T;
}

/** Bytes of ADC values in WFDB format 16 or 212. */
export function wfdbSamples(values: readonly number[], format: 16 | 212): Buffer {
	if (format === 16) return Buffer.from(Int16Array.from(values).buffer);
	const bytes = Buffer.alloc(Math.ceil(values.length / 2) * 3);
	for (let i = 0; i < values.length; i += 2) {
		const [first, second] = [values[i] as number, values[i + 1] ?? 0];
		const at = (i / 2) * 3;
		bytes[at] = first & 0xff;
		bytes[at + 1] = ((first >> 8) & 0x0f) | ((second >> 4) & 0xf0);
		bytes[at + 2] = second & 0xff;
	}
	return bytes;
}

/** Bytes of WFDB annotations; intervals above 1023 go through a SKIP. */
export function wfdbAnnotations(marks: readonly Mark<number>[]): Buffer {
	const words: number[] = [];
	let before = 0;
	for (const { at, label } of marks) {
		const interval = at - before;
		before = at;
		if (interval > 1023) words.push(59 << 10, interval >>> 16, interval & 0xffff, label << 10);
		else words.push((label << 10) | interval);
	}
	words.push(0);
	return Buffer.from(Uint16Array.from(words).buffer);
}

/** A signal of an EDF file. */
export interface EdfSignalData {
	readonly label: string;
	/** Digital values, as many for each data record. */
	readonly values: readonly number[];
	readonly perRecord: number;
}

/** Bytes of an EDF+ file with data records of one second, which start at `starts`, and annotations in seconds. */
export function edfBytes(
	signals: readonly EdfSignalData[],
	options: { readonly starts?: readonly number[]; readonly marks?: readonly Mark<string>[] } = {},
): Buffer {
	const { perRecord = 1, values = [] } = signals[0] ?? {};
	const records = values.length / perRecord;
	const starts = options.starts ?? Array.from({ length: records }, (_, r) => r);
	const marks = options.marks ?? [];
	const annotationSamples = 60;
	const all = [...signals, { label: "EDF Annotations", values: [], perRecord: annotationSamples }];
	const pad = (text: string | number, length: number) => String(text).padEnd(length);
	const fixed = [
		pad(0, 8),
		pad("P-0001 F 02-MAY-1951 Jane_Doe", 80),
		pad("Startdate 02-MAR-2002 X X X", 80),
		pad("02.03.0212.00.00", 16),
		pad(256 * (all.length + 1), 8),
		pad(options.starts === undefined ? "EDF+C" : "EDF+D", 44),
		pad(records, 8),
		pad(1, 8),
		pad(all.length, 4),
	];
	const field = (length: number, of: (signal: EdfSignalData) => string | number) =>
		all.map((signal) => pad(of(signal), length)).join("");
	const header = [
		...fixed,
		field(16, ({ label }) => label),
		field(80, () => ""),
		field(8, () => "mV"),
		field(8, () => -5),
		field(8, () => 5),
		field(8, () => -1000),
		field(8, () => 1000),
		field(80, () => ""),
		field(8, (signal) => signal.perRecord),
		field(32, () => ""),
	].join("");
	const data: Buffer[] = [];
	for (let r = 0; r < records; r++) {
		for (const signal of signals) {
			data.push(
				Buffer.from(Int16Array.from(signal.values.slice(r * signal.perRecord, (r + 1) * signal.perRecord)).buffer),
			);
		}
		const start = starts[r] as number;
		const own = marks.filter(({ at }) => at >= start && at < start + 1);
		const lists = [`+${start}\x14\x14\0`, ...own.map(({ at, label }) => `+${at}\x14${label}\x14\0`)].join("");
		data.push(
			Buffer.concat([Buffer.from(lists), Buffer.alloc(annotationSamples * 2)]).subarray(0, annotationSamples * 2),
		);
	}
	return Buffer.concat([Buffer.from(header, "latin1"), ...data]);
}
