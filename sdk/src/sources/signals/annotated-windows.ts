import type { Tensor } from "../../tensor.js";
import type { WindowProvenance } from "../sample-provenance.js";
import { resampleRange } from "./resample.js";
import { scaleToRange, valueRange } from "./scale-values.js";
import type { SignalRecord } from "./signal-record.js";

export interface WindowOptions {
	/** Class labels in the order of their indices; annotations with others are no samples. */
	readonly classes: readonly string[];
	/** Seconds of the window before and after its annotation. Default 100/360 each: the windows of the MIT-BIH sets. */
	readonly before?: number | undefined;
	readonly after?: number | undefined;
	/** Values of a sample. Default 128. */
	readonly length?: number | undefined;
	/** What is brought to [0,1] as one: the whole recording (default), or each window by itself. */
	readonly scale?: "record" | "window" | undefined;
	/** Which signal, by its label or its place. Default 0. */
	readonly signal?: string | number | undefined;
	/** Sets a window aside that another annotation of a beat or class lies in. Default true. */
	readonly alone?: boolean | undefined;
}

/** Why a window is no sample. */
export type SetAside = "over an end" | "gap" | "not alone" | "other label";

export interface WindowSample {
	/** [1, length], in [0,1]. */
	readonly x: Tensor<"float32">;
	readonly label: number;
	/** With seconds from the recording's start. */
	readonly provenance: WindowProvenance;
}

export interface AnnotatedWindows {
	readonly samples: readonly WindowSample[];
	readonly setAside: Readonly<Record<SetAside, number>>;
}

/** Window of the MIT-BIH sets: 100 samples of 1/360 s to each side of the R peak. */
export const defaultWindowSeconds = 100 / 360;

/** Values of a sample of the MIT-BIH sets. */
export const defaultWindowLength = 128;

/**
 * A sample around each annotation of one of the classes. Windows with a gap, over an end of the recording, or with another
 * annotation inside are set aside and counted.
 */
export function annotatedWindows(record: SignalRecord, options: WindowOptions): AnnotatedWindows {
	const { before = defaultWindowSeconds, after = defaultWindowSeconds, length = defaultWindowLength } = options;
	const setAside: Record<SetAside, number> = { "over an end": 0, gap: 0, "not alone": 0, "other label": 0 };
	const samples: WindowSample[] = [];
	const { signal: wanted = 0, classes, scale = "record", alone = true } = options;
	const signal = record.signals.find((found, i) => found.label === wanted || i === wanted);
	const whole = signal && valueRange(signal.values);
	if (signal === undefined || whole === undefined) return { samples, setAside };
	const labelled = record.annotations.filter(({ label }) => classes.includes(label));
	setAside["other label"] = record.annotations.length - labelled.length;
	const { values, sampleRate } = signal;
	const step = ((before + after) * sampleRate) / (length - 1);
	for (const [i, { time, label }] of labelled.entries()) {
		const start = (time - before) * sampleRate;
		const near = [labelled[i - 1], labelled[i + 1]].some(
			(other) => other !== undefined && other.time >= time - before && other.time <= time + after,
		);
		if (start < 0 || start + step * (length - 1) > values.length - 1) setAside["over an end"] += 1;
		else if (alone && near) setAside["not alone"] += 1;
		else {
			const window = resampleRange(values, start, step, length);
			const range = scale === "record" ? whole : valueRange(window);
			if (range === undefined || window.some(Number.isNaN)) setAside.gap += 1;
			else {
				const x = { dtype: "float32", dims: [1, length], data: scaleToRange(window, range) } as const;
				samples.push({ x, label: classes.indexOf(label), provenance: { ...record.provenance, time } });
			}
		}
	}
	return { samples, setAside };
}
