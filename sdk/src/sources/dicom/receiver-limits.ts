import { dicomLimits } from "./dicom-limits.js";

/** Bounds on what a modality may send. */
export const receiverLimits = {
	/** Connections at a time; further ones are closed at once. */
	maxConnections: 4,
	/** Longest protocol data unit, bytes; told to the modality. */
	maxPduBytes: 262_144,
	/** Longest command, bytes: a C-STORE request takes 200. */
	maxCommandBytes: 65_536,
	/** Longest received object, bytes. */
	maxObjectBytes: dicomLimits.maxFileBytes,
	/** Milliseconds of silence after which a connection is closed. */
	idleTimeoutMs: 60_000,
} as const;
