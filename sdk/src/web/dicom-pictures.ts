import { DicomPixels } from "../sources/dicom/dicom-pixels.js";
import { parseDicom } from "../sources/dicom/parse-dicom.js";
import { transferSyntaxes } from "../sources/dicom/transfer-syntaxes.js";
import type { PictureLevels } from "../sources/picture-levels.js";
import type { DicomCodecs } from "./dicom-codecs.js";

/** Those that need no codec. */
const uncompressed = transferSyntaxes.filter(({ codec }) => codec === "none");

/**
 * The frames of a DICOM Part 10 file as a browser's pictures, windowed as the file says, one after the other. Of the file nothing but its pixels
 * is kept, and no error tells more than those.
 *
 * @param name for error messages
 * @param codecs for compressed ones
 * @throws DataError `PSGL_DICOM_CORRUPT`, `PSGL_DICOM_SYNTAX` for compressed ones too where there are no codecs, `PSGL_DICOM_UNSUPPORTED`, `PSGL_DICOM_PIXELS`; LimitError
 * `PSGL_DICOM_LIMIT`
 */
export async function* dicomPictures(
	bytes: Uint8Array,
	name: string,
	codecs: DicomCodecs | undefined,
): AsyncGenerator<ImageBitmap> {
	const known = codecs === undefined ? uncompressed : transferSyntaxes;
	const image = new DicomPixels(await parseDicom(bytes, name, known), codecs?.decode);
	for (let frame = 0; frame < image.frames; frame++) yield createImageBitmap(imageData(await image.levels(frame)));
}

function imageData({ width, height, channels, levels }: PictureLevels): ImageData {
	const data = new ImageData(width, height);
	for (let p = 0; p < width * height; p++) {
		for (let c = 0; c < 3; c++) {
			// Uint8ClampedArray rounds.
			data.data[4 * p + c] = 255 * (levels[p * channels + (channels === 3 ? c : 0)] as number);
		}
		data.data[4 * p + 3] = 255;
	}
	return data;
}
