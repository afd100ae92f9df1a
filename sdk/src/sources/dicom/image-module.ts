import type { DataSet } from "dicom-parser";
import { LimitError } from "../../errors.js";
import { dicomError } from "./dicom-error.js";
import { dicomLimits } from "./dicom-limits.js";
import type { VoiWindow } from "./grey-levels.js";
import { frameValues, type PixelFormat } from "./pixel-format.js";
import type { TransferSyntax } from "./transfer-syntaxes.js";

const greyInterpretations = ["MONOCHROME1", "MONOCHROME2"];
const colourInterpretations = ["RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT"];

/**
 * Reads how pixels are stored (PS3.3 C.7.6.3) and refuses what psgl cannot turn into samples.
 * @throws DataError `PSGL_DICOM_PIXELS`, `PSGL_DICOM_UNSUPPORTED`; LimitError `PSGL_DICOM_LIMIT`
 */
export function readPixelFormat(dataSet: DataSet, syntax: TransferSyntax, name: string): PixelFormat {
	const rows = dataSet.uint16("x00280010") ?? 0;
	const columns = dataSet.uint16("x00280011") ?? 0;
	const samplesPerPixel = dataSet.uint16("x00280002") ?? 1;
	const bitsAllocated = dataSet.uint16("x00280100") ?? 0;
	const bitsStored = dataSet.uint16("x00280101") ?? bitsAllocated;
	const highBit = dataSet.uint16("x00280102") ?? bitsStored - 1;
	const signed = dataSet.uint16("x00280103") === 1;
	const planar = dataSet.uint16("x00280006") === 1;
	const photometric = dataSet.string("x00280004") ?? "";
	if (rows === 0 || columns === 0) {
		throw dicomError("PSGL_DICOM_PIXELS", name, `${columns} x ${rows} pixels`, "an image");
	}
	const known = samplesPerPixel === 1 ? greyInterpretations : samplesPerPixel === 3 ? colourInterpretations : [];
	// Uncompressed YBR_FULL_422 shares its chrominance between pixels; no modality at hand writes it.
	if (!known.includes(photometric) || (syntax.codec === "none" && photometric === "YBR_FULL_422")) {
		const got = `${samplesPerPixel} samples a pixel, photometric interpretation ${photometric || "missing"}`;
		throw dicomError(
			"PSGL_DICOM_UNSUPPORTED",
			name,
			got,
			[...greyInterpretations, ...colourInterpretations].join(", "),
		);
	}
	const wholeBytes = bitsAllocated === 8 || bitsAllocated === 16 || (bitsAllocated === 32 && syntax.codec === "none");
	if (!wholeBytes || bitsStored < 1 || highBit >= bitsAllocated || highBit < bitsStored - 1) {
		const got = `${bitsStored} of ${bitsAllocated} bits, the highest ${highBit}`;
		throw dicomError(
			"PSGL_DICOM_UNSUPPORTED",
			name,
			got,
			"whole bytes: 8 or 16 bits allocated, 32 without compression",
		);
	}
	const format = { rows, columns, samplesPerPixel, bitsAllocated, bitsStored, highBit, signed, planar, photometric };
	const checked = format as PixelFormat;
	if (frameValues(checked) > dicomLimits.maxFrameValues) {
		throw dicomLimit(
			name,
			`${columns} x ${rows} pixels of ${samplesPerPixel}`,
			`${dicomLimits.maxFrameValues} values a frame`,
		);
	}
	return checked;
}

/** The error for a file over one of `dicomLimits`. */
export function dicomLimit(name: string, got: string, most: string): LimitError {
	return new LimitError("PSGL_DICOM_LIMIT", {
		what: `${name} is too large`,
		got,
		expected: `at most ${most}`,
		remedy: "Export smaller frames, or fewer of them.",
	});
}

/** How stored grey values become the values to show. */
export interface GreyDescription {
	readonly slope: number;
	readonly intercept: number;
	readonly window: VoiWindow | undefined;
}

/**
 * Rescaling and first window of a frame: of the image, or of the functional groups of an enhanced multi-frame image
 * (PS3.3 C.7.6.16), of which the frame's own go before the shared ones.
 */
export function greyDescription(dataSet: DataSet, frame: number): GreyDescription {
	const groups = [dataSet.elements.x52009230?.items?.[frame]?.dataSet, dataSet.elements.x52009229?.items?.[0]?.dataSet];
	const within = (macro: string) => groups.map((group) => group?.elements[macro]?.items?.[0]?.dataSet);
	const first = (macro: string, tag: string): DataSet =>
		within(macro).find((found) => found?.elements[tag] !== undefined) ?? dataSet;
	const rescale = first("x00289145", "x00281053");
	const voi = first("x00289132", "x00281050");
	const slope = finite(rescale.floatString("x00281053")) ?? 1;
	const intercept = finite(rescale.floatString("x00281052")) ?? 0;
	const centre = finite(voi.floatString("x00281050", 0));
	const width = finite(voi.floatString("x00281051", 0));
	const named = voi.string("x00281056");
	const shape: VoiWindow["shape"] = named === "SIGMOID" || named === "LINEAR_EXACT" ? named : "LINEAR";
	const window = centre === undefined || width === undefined || width <= 0 ? undefined : { centre, width, shape };
	return { slope: slope === 0 ? 1 : slope, intercept, window };
}

const finite = (value: number | undefined): number | undefined => (Number.isFinite(value) ? value : undefined);
