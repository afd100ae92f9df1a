import type { Tensor } from "../../tensor.js";
import { type Crop, cropPicture, type FitOptions, fitPicture } from "../picture-levels.js";
import { type DicomPixelParts, DicomPixels, type DicomWindow } from "./dicom-pixels.js";
import { decodeFrame } from "./frame-decoder.js";

/** Where a sample came from, as far as it may be told: nothing in it names a patient, a place or a time. */
export interface DicomProvenance {
	readonly kind: "dicom";
	/** SHA-256 (hex) of the file. */
	readonly digest: string;
	readonly frame: number;
	readonly transferSyntax: string;
	/** Modality code, for instance `CT`. */
	readonly modality: string;
	readonly lossy: boolean;
}

export interface DicomSampleOptions extends FitOptions {
	/** Which frame, from 0. */
	readonly frame?: number | undefined;
	/** Default `file`. */
	readonly window?: DicomWindow | undefined;
	readonly crop?: Crop | undefined;
}

/** What `readDicom` found in a file. */
export interface DicomParts extends DicomPixelParts {
	readonly modality: string;
	readonly patient: string;
	readonly digest: string;
}

/** A DICOM image of one or more frames, decoded frame by frame. */
export class DicomImage extends DicomPixels {
	readonly #parts: DicomParts;

	constructor(parts: DicomParts) {
		super(parts, decodeFrame);
		this.#parts = parts;
	}

	/**
	 * Stands for the patient: the same for all images of one patient read by this process, and of no use outside it (a keyed
	 * hash whose key ends with the process).
	 */
	get patient(): string {
		return this.#parts.patient;
	}

	/**
	 * What a list of labels may name the image by: ids of object and study, accession number. They lead to the patient: compare
	 * with them, and keep them out of logs and messages.
	 */
	labelKeys(): string[] {
		const keys = ["x00080018", "x0020000d", "x00080050"].map((tag) => this.#parts.dataSet.string(tag));
		return keys.filter((key): key is string => key !== undefined && key !== "");
	}

	provenance(frame = 0): DicomProvenance {
		const { digest, modality, syntax } = this.#parts;
		return { kind: "dicom", digest, frame, transferSyntax: syntax.name, modality, lossy: syntax.lossy };
	}

	/**
	 * A frame as a sample [channels, size, size], levels in [0,1].
	 * @throws DataError `PSGL_DICOM_PIXELS`; ConfigError `PSGL_IMAGE_CROP`, `PSGL_DICOM_CODECS`
	 */
	async sample(options: DicomSampleOptions): Promise<Tensor<"float32">> {
		const levels = await this.levels(options.frame, options.window);
		return fitPicture(options.crop === undefined ? levels : cropPicture(levels, options.crop), options);
	}
}
