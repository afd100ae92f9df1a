import type { DataSet } from "dicom-parser";
import { dicomError } from "./dicom-error.js";
import { dicomLimits } from "./dicom-limits.js";
import type { DicomPixelParts } from "./dicom-pixels.js";
import { dicomLimit, readPixelFormat } from "./image-module.js";
import { type TransferSyntax, transferSyntaxes } from "./transfer-syntaxes.js";

/**
 * Reads the header of a DICOM Part 10 file and decodes nothing. Runs in a browser.
 *
 * @param name for error messages, which tell nothing that is in other groups than the pixels' own
 * @param readable syntaxes that can be decoded here
 * @throws DataError `PSGL_DICOM_CORRUPT`, `PSGL_DICOM_SYNTAX`, `PSGL_DICOM_UNSUPPORTED`, `PSGL_DICOM_PIXELS`; LimitError `PSGL_DICOM_LIMIT`
 */
export async function parseDicom(
	bytes: Uint8Array,
	name: string,
	readable: readonly TransferSyntax[] = transferSyntaxes,
): Promise<DicomPixelParts> {
	if (bytes.length > dicomLimits.maxFileBytes) throw tooLong(name, bytes.length);
	const dataSet = await parse(bytes, name);
	const uid = dataSet.string("x00020010") ?? "";
	const syntax = readable.find((known) => known.uid === uid);
	if (syntax === undefined) {
		const got = /^[\d.]+$/.test(uid) ? `transfer syntax ${uid}` : "no transfer syntax";
		throw dicomError("PSGL_DICOM_SYNTAX", name, got, readable.map((known) => known.name).join(", "));
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
	return { name, dataSet, pixels, format, frames: frameCount(dataSet, name), syntax };
}

/** The error for a file that is longer than one may be. */
export function tooLong(name: string, bytes: number) {
	return dicomLimit(name, `${bytes} bytes`, `${dicomLimits.maxFileBytes} bytes`);
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
