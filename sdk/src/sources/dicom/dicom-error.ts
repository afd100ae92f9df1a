import { DataError } from "../../errors.js";

/** What a DICOM file has wrong. */
export type DicomFault =
	/** Not DICOM Part 10, or damaged so that its elements cannot be read. */
	| "PSGL_DICOM_CORRUPT"
	/** A transfer syntax that psgl does not decode. */
	| "PSGL_DICOM_SYNTAX"
	/** An image of a kind that psgl does not turn into samples. */
	| "PSGL_DICOM_UNSUPPORTED"
	/** Pixel data that is missing, cut off, or other than the header says. */
	| "PSGL_DICOM_PIXELS";

const remedies: Readonly<Record<DicomFault, string>> = {
	PSGL_DICOM_CORRUPT: "Fetch the file again from the archive.",
	PSGL_DICOM_SYNTAX:
		"Have the modality or archive send another transfer syntax; docs/sources.md lists those psgl reads.",
	PSGL_DICOM_UNSUPPORTED: "Leave such images out; docs/sources.md lists what psgl reads.",
	PSGL_DICOM_PIXELS: "Fetch the file again from the archive, or leave it out.",
};

/**
 * The error for a DICOM file. `got` and `expected` must come from the image module (group 0028) or the file meta
 * header alone: nothing that tells who the patient is may reach an error's text.
 */
export function dicomError(code: DicomFault, name: string, got: string, expected: string, cause?: unknown): DataError {
	return new DataError(code, {
		what: `${name} cannot be used as a DICOM image`,
		got,
		expected,
		remedy: remedies[code],
		cause,
	});
}
