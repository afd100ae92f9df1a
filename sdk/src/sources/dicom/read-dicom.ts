import { createHash, createHmac, randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { fileError } from "../file-error.js";
import { readBounded } from "../read-bounded.js";
import { DicomImage } from "./dicom-image.js";
import { dicomLimits } from "./dicom-limits.js";
import { parseDicom, tooLong } from "./parse-dicom.js";

/** Key of the hash that stands for a patient: new in every process, kept nowhere. */
const patientKey = randomBytes(32);

export interface ReadDicomOptions {
	readonly signal?: AbortSignal | undefined;
	/** For error messages. Default: the path, or `the DICOM file`. */
	readonly name?: string | undefined;
}

/**
 * Opens a DICOM Part 10 file: reads its header, decodes nothing yet. Identifiers in it stay inside: no error, provenance
 * or property tells them.
 *
 * @param source a path, or the file's bytes
 * @throws DataError `PSGL_DATA_NOT_FOUND`, `PSGL_DATA_UNREADABLE`, `PSGL_DICOM_CORRUPT`, `PSGL_DICOM_SYNTAX`,
 * `PSGL_DICOM_UNSUPPORTED`, `PSGL_DICOM_PIXELS`
 * @throws LimitError `PSGL_DICOM_LIMIT`
 */
export async function readDicom(source: string | Uint8Array, options: ReadDicomOptions = {}): Promise<DicomImage> {
	const { signal } = options;
	const name = options.name ?? (typeof source === "string" ? source : "the DICOM file");
	signal?.throwIfAborted();
	const bytes =
		typeof source === "string"
			? await readBounded(source, { most: dicomLimits.maxFileBytes, tooLong, signal })
			: source;
	const parts = await parseDicom(bytes, name);
	const { dataSet } = parts;
	const digest = createHash("sha256").update(bytes).digest("hex");
	// Without an id or a name nothing tells whose the image is: it counts as a patient of its own.
	const patient = dataSet.string("x00100020") || dataSet.string("x00100010") || digest;
	return new DicomImage({
		...parts,
		modality: dataSet.string("x00080060") ?? "",
		patient: createHmac("sha256", patientKey).update(patient).digest("hex"),
		digest,
	});
}

/** Whether a file is DICOM Part 10: by its prefix (PS3.10 section 7.1), so files without an extension are found too. */
export async function isDicomFile(path: string): Promise<boolean> {
	const file = await open(path).catch((cause: unknown) => {
		throw fileError(path, cause);
	});
	try {
		const { bytesRead, buffer } = await file.read(Buffer.alloc(4), 0, 4, 128);
		return bytesRead === 4 && buffer.toString("latin1") === "DICM";
	} finally {
		await file.close();
	}
}
