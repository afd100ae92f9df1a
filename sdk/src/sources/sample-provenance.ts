import type { SplitName } from "./dataset.js";
import type { DicomProvenance } from "./dicom/dicom-image.js";
import type { SignalProvenance } from "./signals/signal-record.js";

/** A picture of a file of its own. */
export interface PictureProvenance {
	readonly kind: "picture";
	/** SHA-256 (hex) of the file. */
	readonly digest: string;
}

/** A sample of a file that holds many. */
export interface ArrayProvenance {
	readonly kind: "npz" | "idx";
	/** SHA-256 (hex) of the file with the samples. */
	readonly digest: string;
	readonly part: SplitName;
	/** Its place in that part of the file. */
	readonly sample: number;
}

/** A window of a recording, with seconds from the recording's start. */
export type WindowProvenance = SignalProvenance & { readonly time: number };

/** Where a sample came from, as far as it may be told: nothing in it names a patient, a place or a file. */
export type SampleProvenance = PictureProvenance | DicomProvenance | WindowProvenance | ArrayProvenance;
