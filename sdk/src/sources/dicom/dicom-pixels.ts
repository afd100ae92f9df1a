import type { DataSet, Element } from "dicom-parser";
import { PsglError } from "../../errors.js";
import type { PictureLevels } from "../picture-levels.js";
import { codestreamSize, isEndedCodestream } from "./codestream-size.js";
import { colourLevels } from "./colour-levels.js";
import { dicomError } from "./dicom-error.js";
import type { decodeFrame } from "./frame-decoder.js";
import { greyLevels, type VoiWindow } from "./grey-levels.js";
import { type GreyDescription, greyDescription } from "./image-module.js";
import { frameBytes, type PixelFormat, readStoredValues, type StoredValues, swapBytes } from "./pixel-format.js";
import type { TransferSyntax } from "./transfer-syntaxes.js";

/** `file`: the file's first window, else the frame's range. `range`: the frame's smallest to largest value. */
export type DicomWindow = "file" | "range" | VoiWindow;

/** What `parseDicom` found in a file. */
export interface DicomPixelParts {
	readonly name: string;
	readonly dataSet: DataSet;
	readonly pixels: Element;
	readonly format: PixelFormat;
	readonly frames: number;
	readonly syntax: TransferSyntax;
}

/** The pixels of a DICOM file, decoded frame by frame. Runs in a browser, without a decoder for compressed frames. */
export class DicomPixels {
	readonly #parts: DicomPixelParts;
	readonly #decode: typeof decodeFrame | undefined;

	/** @param decode of compressed frames; needed where the syntax is a compressed one */
	constructor(parts: DicomPixelParts, decode?: typeof decodeFrame) {
		this.#parts = parts;
		this.#decode = decode;
	}

	get format(): PixelFormat {
		return this.#parts.format;
	}

	get frames(): number {
		return this.#parts.frames;
	}

	get syntax(): TransferSyntax {
		return this.#parts.syntax;
	}

	/**
	 * Stored values [rows, columns, samples] of a frame, before rescaling and windows.
	 * @throws DataError `PSGL_DICOM_PIXELS`; ConfigError `PSGL_DICOM_CODECS`
	 */
	async storedValues(frame = 0): Promise<StoredValues> {
		return (await this.#frame(frame)).values;
	}

	/**
	 * A frame as levels in [0,1], 0 black: rescaled and windowed, or RGB.
	 * @throws DataError `PSGL_DICOM_PIXELS`; ConfigError `PSGL_DICOM_CODECS`
	 */
	async levels(frame = 0, window: DicomWindow = "file"): Promise<PictureLevels> {
		const { values, photometric } = await this.#frame(frame);
		const { rows: height, columns: width, samplesPerPixel: channels, bitsStored } = this.format;
		if (channels === 3) return { width, height, channels, levels: colourLevels(values, photometric, bitsStored) };
		const described: GreyDescription = greyDescription(this.#parts.dataSet, frame);
		const { slope, intercept } = described;
		const chosen = window === "file" ? described.window : window === "range" ? undefined : window;
		const inverted = photometric === "MONOCHROME1";
		return { width, height, channels, levels: greyLevels(values, { slope, intercept, window: chosen, inverted }) };
	}

	async #frame(frame: number): Promise<{ values: StoredValues; photometric: string }> {
		const { format, syntax, name, frames } = this.#parts;
		if (!Number.isInteger(frame) || frame < 0 || frame >= frames) {
			throw dicomError("PSGL_DICOM_PIXELS", name, `frame ${frame}`, `a frame from 0 to ${frames - 1}`);
		}
		if (syntax.codec === "none") return { values: this.#native(frame), photometric: format.photometric };
		if (this.#decode === undefined) throw new TypeError(`no decoder for ${syntax.name}`);
		const encoded = await this.#encoded(frame);
		const size = syntax.codec === "rle" ? undefined : codestreamSize(encoded);
		const { rows, columns } = format;
		if (syntax.codec !== "rle" && (size?.width !== columns || size.height !== rows)) {
			const got = size === undefined ? "a frame without a head" : `a frame of ${size.width} x ${size.height}`;
			throw dicomError("PSGL_DICOM_PIXELS", name, got, `${columns} x ${rows} pixels`);
		}
		if (syntax.codec === "jpeg-ls" && !isEndedCodestream(encoded)) {
			throw dicomError("PSGL_DICOM_PIXELS", name, "a frame that is cut off", `a whole ${syntax.name} frame`);
		}
		try {
			const { bytes, planar, photometric } = await this.#decode(syntax.codec, encoded, format);
			if (bytes.length < frameBytes(format)) throw new Error(`${bytes.length} bytes came out`);
			return { values: readStoredValues(bytes, { ...format, planar }), photometric };
		} catch (cause) {
			// Not the frame is at fault: the codecs are not there.
			if (cause instanceof PsglError) throw cause;
			const got = cause instanceof Error ? cause.message : String(cause);
			throw dicomError("PSGL_DICOM_PIXELS", name, got, `${frameBytes(format)} bytes of a ${syntax.name} frame`, cause);
		}
	}

	#native(frame: number): StoredValues {
		const { dataSet, pixels, format, syntax, name } = this.#parts;
		const length = frameBytes(format);
		const start = pixels.dataOffset + frame * length;
		const end = Math.min(start + length, pixels.dataOffset + pixels.length, dataSet.byteArray.length);
		if (end - start < length) {
			throw dicomError(
				"PSGL_DICOM_PIXELS",
				name,
				`${Math.max(0, end - start)} bytes`,
				`${length} bytes of frame ${frame}`,
			);
		}
		const bytes = dataSet.byteArray.subarray(start, end);
		if (!syntax.bigEndian) return readStoredValues(bytes, format);
		if (format.bitsAllocated === 8) return readStoredValues(pixels.vr === "OW" ? swapBytes(bytes, 2) : bytes, format);
		return readStoredValues(swapBytes(bytes, format.bitsAllocated === 16 ? 2 : 4), format);
	}

	async #encoded(frame: number): Promise<Uint8Array> {
		const { dataSet, pixels, frames, name } = this.#parts;
		const { default: parser } = await import("dicom-parser");
		try {
			const { fragments = [], basicOffsetTable = [] } = pixels;
			// Without an offset table: one fragment a frame, one frame of all fragments, or frames told apart by their JPEG ends.
			if (basicOffsetTable.length > 0) return parser.readEncapsulatedImageFrame(dataSet, pixels, frame);
			if (frames === 1) return parser.readEncapsulatedPixelDataFromFragments(dataSet, pixels, 0, fragments.length);
			if (fragments.length === frames) return parser.readEncapsulatedPixelDataFromFragments(dataSet, pixels, frame, 1);
			const table = parser.createJPEGBasicOffsetTable(dataSet, pixels);
			return parser.readEncapsulatedImageFrame(dataSet, pixels, frame, table);
		} catch (cause) {
			// The parser throws texts, not errors; they name offsets only.
			throw dicomError("PSGL_DICOM_PIXELS", name, String(cause), `the fragments of frame ${frame}`, cause);
		}
	}
}
