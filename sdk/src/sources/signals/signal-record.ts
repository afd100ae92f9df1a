/** One signal of a recording. */
export interface Signal {
	/** What the file calls it, for instance `MLII`. */
	readonly label: string;
	readonly unit: string;
	/** Values a second. */
	readonly sampleRate: number;
	/** In `unit`; NaN where the recording has a gap or marks a value as invalid. */
	readonly values: Float32Array;
}

/** What a recording's annotator says of one moment. */
export interface Annotation {
	/** Seconds from the start of the recording. */
	readonly time: number;
	/** A beat's symbol (PhysioNet's codes), or a text. */
	readonly label: string;
	/** Seconds it goes on, where it says so. */
	readonly duration?: number | undefined;
}

/** A recording as read: no name, date or id of the patient, which headers may hold, is kept. */
export interface SignalRecord {
	readonly signals: readonly Signal[];
	/** By time. */
	readonly annotations: readonly Annotation[];
	readonly provenance: SignalProvenance;
}

export interface SignalProvenance {
	readonly kind: "wfdb" | "edf" | "csv" | "live";
	/** SHA-256 (hex) of the file with the values; empty for a live signal. */
	readonly digest: string;
}
