import { createHash, createHmac, randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import type { DataSet } from "dicom-parser";
import { fileError } from "../file-error.js";
import { readBounded } from "../read-bounded.js";
import { dicomError } from "./dicom-error.js";
import { DicomImage } from "./dicom-image.js";
import { dicomLimits } from "./dicom-limits.js";
import { dicomLimit, readPixelFormat } from "./image-module.js";
import { transferSyntaxes } from "./transfer-syntaxes.js";

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
	if (bytes.length > dicomLimits.maxFileBytes) throw tooLong(name, bytes.length);
	const dataSet = await parse(bytes, name);
	const uid = dataSet.string("x00020010") ?? "";
	const syntax = transferSyntaxes.find((known) => known.uid === uid);
	if (syntax === undefined) {
		const got = /^[\d.]+$/.test(uid) ? `transfer syntax ${uid}` : "no transfer syntax";
		throw dicomError("PSGL_DICOM_SYNTAX", name, got, transferSyntaxes.map((known) => known.name).join(", "));
	}
	const pixels = dataSet.elements.x7fe00010;
	if (pixels === undefined || pixels.length === 0) {
		throw dicomError("PSGL_DICOM_PIXELS", name, "no pixel data", "an image with integer pixels");
	}
	if ((syntax.codec !== "none") !== (pixels.encapsulatedPixelData === true)) {
		const got = syntax.codec === "none" ? "pixel data in fragments" : "pixel data without fragments";
		throw dicomError("PSGL_DICOM_PIXELS", name, got, `pixel data of ${syntax.name}`);
	}
	const format = readPixelFormat(dataSet, syntax, name);
	if (dataSet.elements.x00283000 !== undefined) {
		throw dicomError("PSGL_DICOM_UNSUPPORTED", name, "a modality look-up table", "rescale slope and intercept");
	}
	const digest = createHash("sha256").update(bytes).digest("hex");
	// Without an id or a name nothing tells whose the image is: it counts as a patient of its own.
	const patient = dataSet.string("x00100020") || dataSet.string("x00100010") || digest;
	return new DicomImage({
		name,
		dataSet,
		pixels,
		format,
		frames: frameCount(dataSet, name),
		syntax,
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

async function parse(bytes: Uint8Array, name: string): Promise<DataSet> {
	const { default: parser } = await import("dicom-parser");
	try {
		return parser.parseDicom(bytes);
	} catch (cause) {
		// What the parser throws may carry the elements it had read, and with them who the patient is: not even as a cause.
		const reason =
			cause instanceof Error || typeof cause === "string"
				? "elements that cannot be read"
				: "a file cut off inside an element";
		throw dicomError("PSGL_DICOM_CORRUPT", name, reason, "a DICOM Part 10 file");
	}
}

function frameCount(dataSet: DataSet, name: string): number {
	const frames = dataSet.elements.x00280008 === undefined ? 1 : (dataSet.intString("x00280008") ?? Number.NaN);
	if (!Number.isInteger(frames) || frames < 1) {
		throw dicomError("PSGL_DICOM_PIXELS", name, "no number of frames", "at least one frame");
	}
	if (frames > dicomLimits.maxFrames) throw dicomLimit(name, `${frames} frames`, `${dicomLimits.maxFrames} frames`);
	return frames;
}

function tooLong(name: string, bytes: number) {
	return dicomLimit(name, `${bytes} bytes`, `${dicomLimits.maxFileBytes} bytes`);
}
