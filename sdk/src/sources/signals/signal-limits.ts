/** Bounds on recordings, checked before memory is set aside. */
export const signalLimits = {
	/** Longest file of a recording, bytes: a week of two leads at 360 Hz. */
	maxSignalFileBytes: 1_073_741_824,
	/** Values of one recording, over all of its signals, gaps among them: 24 hours of four leads at 360 Hz. */
	maxRecordValues: 134_217_728,
	/** Signals of one recording. */
	maxSignals: 512,
	/** Annotations of one recording: 24 hours of beats at 300 a minute, five times over. */
	maxAnnotations: 2_097_152,
} as const;
