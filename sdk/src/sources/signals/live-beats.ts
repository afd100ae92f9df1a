import { annotatedWindows, defaultWindowSeconds, type WindowOptions, type WindowSample } from "./annotated-windows.js";
import { RPeakDetector } from "./r-peak-detector.js";

export interface LiveBeatOptions extends Pick<WindowOptions, "before" | "after" | "length"> {
	/** Values a second. */
	readonly sampleRate: number;
	readonly signal?: AbortSignal | undefined;
}

/** Seconds of signal kept: longer than the detector may be late. */
const keptSeconds = 8;

/**
 * Beats of an ECG as it comes: a sample [1, length] in [0,1] around each R peak that `RPeakDetector` finds, scaled by itself (live, nobody
 * knows the whole recording's range). Windows with a gap (NaN) are left out.
 *
 * @param chunks values in any portions, for instance from a serial port
 */
export async function* liveBeats(
	chunks: AsyncIterable<ArrayLike<number>>,
	options: LiveBeatOptions,
): AsyncGenerator<Omit<WindowSample, "label">, void> {
	const { sampleRate, signal, before = defaultWindowSeconds, after = defaultWindowSeconds, length } = options;
	const detector = new RPeakDetector(sampleRate);
	const most = Math.ceil(keptSeconds * sampleRate);
	let kept: number[] = [];
	/** Sample number of the first kept value. */
	let first = 0;
	let waiting: number[] = [];
	for await (const chunk of chunks) {
		signal?.throwIfAborted();
		for (let from = 0; from < chunk.length; from += most) {
			const part = Array.prototype.slice.call(chunk, from, from + most) as number[];
			waiting.push(...detector.push(part));
			kept = kept.concat(part);
			const end = first + kept.length;
			const ready = waiting.filter((peak) => peak + after * sampleRate < end - 1);
			waiting = waiting.filter((peak) => peak + after * sampleRate >= end - 1);
			const record = {
				signals: [{ label: "", unit: "", sampleRate, values: Float32Array.from(kept) }],
				annotations: ready.map((peak) => ({ time: (peak - first) / sampleRate, label: "beat" })),
				provenance: { kind: "live", digest: "" } as const,
			};
			const windows = annotatedWindows(record, {
				before,
				after,
				length,
				classes: ["beat"],
				scale: "window",
				alone: false,
			});
			for (const { x, provenance } of windows.samples) {
				yield { x, provenance: { ...provenance, time: provenance.time + first / sampleRate } };
			}
			const surplus = kept.length - most;
			if (surplus > 0) {
				kept = kept.slice(surplus);
				first += surplus;
			}
		}
	}
}
