export {
	type AnnotatedWindows,
	annotatedWindows,
	defaultWindowLength,
	defaultWindowSeconds,
	type SetAside,
	type WindowOptions,
	type WindowSample,
} from "./annotated-windows.js";
export { type LiveBeatOptions, liveBeats } from "./live-beats.js";
export { RPeakDetector } from "./r-peak-detector.js";
export { type ReadCsvOptions, readCsvAnnotations, readCsvSignals } from "./read-csv.js";
export { readEdf } from "./read-edf.js";
export { type ReadSignalOptions, readWfdb } from "./read-wfdb.js";
export { resample, resampleRange } from "./resample.js";
export { scaleToRange, valueRange } from "./scale-values.js";
export { signalLimits } from "./signal-limits.js";
export type { Annotation, Signal, SignalProvenance, SignalRecord } from "./signal-record.js";
export { beatSymbols } from "./wfdb-annotations.js";
export { wfdbFormats } from "./wfdb-samples.js";
