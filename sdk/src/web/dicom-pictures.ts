import { DicomPixels } from "../sources/dicom/dicom-pixels.js";
import { parseDicom } from "../sources/dicom/parse-dicom.js";
import { transferSyntaxes } from "../sources/dicom/transfer-syntaxes.js";
import type { PictureLevels } from "../sources/picture-levels.js";

/** The codecs of compressed frames want `eval`, which a page's security policy should forbid. */
const uncompressed = transferSyntaxes.filter(({ codec }) => codec === "none");

/**
 * The frames of a DICOM Part 10 file as a browser's pictures, windowed as the file says, one after the other. Of the file nothing but its pixels
 * is kept, and no error tells more than those.
 *
 * @param name for error messages
 * @throws DataError `PSGL_DICOM_CORRUPT`, `PSGL_DICOM_SYNTAX` for compressed ones too, `PSGL_DICOM_UNSUPPORTED`, `PSGL_DICOM_PIXELS`; LimitError
 * `PSGL_DICOM_LIMIT`
 */
export async function* dicomPictures(bytes: Uint8Array, name: string): AsyncGenerator<ImageBitmap> {
	const image = new DicomPixels(await parseDicom(bytes, name, uncompressed));
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
