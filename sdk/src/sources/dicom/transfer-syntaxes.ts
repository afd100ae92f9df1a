/** How a transfer syntax packs pixels. */
export type PixelCodec = "none" | "rle" | "jpeg" | "jpeg-ls" | "jpeg-2000";

export interface TransferSyntax {
	readonly uid: string;
	readonly name: string;
	readonly codec: PixelCodec;
	readonly bigEndian: boolean;
	/** Whether decoders may differ in the last level. */
	readonly lossy: boolean;
}

const root = "1.2.840.10008.1.2";

function syntax(suffix: string, name: string, codec: PixelCodec, lossy = false, bigEndian = false): TransferSyntax {
	return { uid: `${root}${suffix}`, name, codec, lossy, bigEndian };
}

/** The transfer syntaxes psgl reads, by their names in DICOM PS3.6 annex A. */
export const transferSyntaxes: readonly TransferSyntax[] = [
	syntax("", "Implicit VR Little Endian", "none"),
	syntax(".1", "Explicit VR Little Endian", "none"),
	syntax(".2", "Explicit VR Big Endian", "none", false, true),
	syntax(".5", "RLE Lossless", "rle"),
	syntax(".4.50", "JPEG Baseline (Process 1)", "jpeg", true),
	syntax(".4.51", "JPEG Extended (Process 2 and 4)", "jpeg", true),
	syntax(".4.57", "JPEG Lossless (Process 14)", "jpeg"),
	syntax(".4.70", "JPEG Lossless, First-Order Prediction (Process 14, Selection Value 1)", "jpeg"),
	syntax(".4.80", "JPEG-LS Lossless", "jpeg-ls"),
	syntax(".4.81", "JPEG-LS Near-Lossless", "jpeg-ls", true),
	syntax(".4.90", "JPEG 2000 Lossless", "jpeg-2000"),
	syntax(".4.91", "JPEG 2000", "jpeg-2000", true),
];
