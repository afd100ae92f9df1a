import { DataError, PsglError } from "../errors.js";
import { Dataset } from "../sources/dataset.js";
import { elementCount } from "../tensor.js";
import { DicomCodecs } from "./dicom-codecs.js";
import { type PictureShape, pictureSample } from "./picture-sample.js";

/** A picture somebody chose or dropped, and what it shows. */
export interface LabelledPicture {
	readonly name: string;
	readonly file: Blob;
	/** Index into the classes. */
	readonly label: number;
}

/** Pictures that could be decoded, and those that could not. */
export interface PictureSet {
	readonly dataset: Dataset;
	readonly setAside: readonly { readonly name: string; readonly error: PsglError }[];
}

export interface PictureSetOptions {
	readonly shape: PictureShape;
	readonly classes: readonly string[];
	/**
	 * Where `dcmjs-codecs/build/dcmjs-native-codecs.wasm` lies, on the page's own origin: 4 MB that are loaded with the first compressed DICOM
	 * file. Without it such files are set aside, `PSGL_DICOM_SYNTAX`.
	 */
	readonly dicomCodecs?: string | URL | undefined;
}

/** Largest file that is decoded, bytes: a few of them are in memory at a time. */
const largestFileBytes = 64 * 2 ** 20;

/**
 * Decodes pictures (PNG, JPEG, WebP, whatever the browser reads, and DICOM files, a sample for each frame) to a data set of samples
 * [C,H,W] in [0,1]. One that cannot be decoded is set aside with its reason.
 * @throws what the first one has, DataError `PSGL_WEB_PICTURE` or that of a DICOM file, when none is left; ConfigError `PSGL_WEB_WASM_ORIGIN`
 */
export async function pictureSet(
	pictures: Iterable<LabelledPicture>,
	{ shape, classes, dicomCodecs }: PictureSetOptions,
): Promise<PictureSet> {
	using codecs = dicomCodecs === undefined ? undefined : new DicomCodecs(dicomCodecs);
	const samples: Uint8Array[] = [];
	const labels: number[] = [];
	const setAside: { name: string; error: PsglError }[] = [];
	for (const { name, file, label } of pictures) {
		try {
			const frames = await decode(name, file, shape, codecs);
			samples.push(...frames);
			labels.push(...frames.map(() => label));
		} catch (cause) {
			const error = cause instanceof PsglError ? cause : undecodable(`the picture ${name}`, cause);
			setAside.push({ name, error });
		}
	}
	const [first] = setAside;
	if (samples.length === 0) throw first?.error ?? undecodable("a set of no pictures", undefined);
	const size = elementCount(shape);
	const values = new Uint8Array(samples.length * size);
	for (const [i, sample] of samples.entries()) values.set(sample, i * size);
	const dataset = new Dataset({ shape, classes, samples: values, labels: Int32Array.from(labels) });
	return { dataset, setAside };
}

/** Samples of a picture; of a DICOM file, one of each frame. */
async function decode(
	name: string,
	file: Blob,
	shape: PictureShape,
	codecs: DicomCodecs | undefined,
): Promise<Uint8Array[]> {
	if (file.size > largestFileBytes) throw new Error(`${file.size} bytes, more than ${largestFileBytes}`);
	if (!(await isDicom(file))) return [sampleOf(await createImageBitmap(file), shape)];
	// A part of its own, loaded by pages that get DICOM files only.
	const { dicomPictures } = await import("./dicom-pictures.js");
	const frames: Uint8Array[] = [];
	for await (const frame of dicomPictures(new Uint8Array(await file.arrayBuffer()), name, codecs)) {
		frames.push(sampleOf(frame, shape));
	}
	return frames;
}

/** By its prefix (PS3.10 section 7.1): browsers name no type for such files. */
async function isDicom(file: Blob): Promise<boolean> {
	return (await file.slice(128, 132).text()) === "DICM";
}

function sampleOf(picture: ImageBitmap, shape: PictureShape): Uint8Array {
	try {
		return pictureSample(picture, shape);
	} finally {
		picture.close();
	}
}

function undecodable(what: string, cause: unknown): DataError {
	return new DataError("PSGL_WEB_PICTURE", {
		what: `${what} cannot be used`,
		got: cause instanceof Error ? cause.message : undefined,
		expected: "a picture this browser shows (PNG, JPEG, WebP), or a DICOM file",
		remedy: "Look at the file in a picture viewer, and choose another",
		cause,
	});
}
