import { DataError, type PsglError } from "../errors.js";
import { Dataset } from "../sources/dataset.js";
import { elementCount } from "../tensor.js";
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

/** Largest file that is decoded, bytes: a few of them are in memory at a time. */
const largestFileBytes = 64 * 2 ** 20;

/**
 * Decodes pictures (PNG, JPEG, WebP, whatever the browser reads) to a data set of samples [C,H,W] in [0,1]. One that cannot
 * be decoded is set aside with its reason.
 * @throws DataError `PSGL_WEB_PICTURE` when none is left.
 */
export async function pictureSet(
	pictures: Iterable<LabelledPicture>,
	{ shape, classes }: { readonly shape: PictureShape; readonly classes: readonly string[] },
): Promise<PictureSet> {
	const samples: Uint8Array[] = [];
	const labels: number[] = [];
	const setAside: { name: string; error: PsglError }[] = [];
	for (const { name, file, label } of pictures) {
		try {
			samples.push(await decode(file, shape));
			labels.push(label);
		} catch (cause) {
			setAside.push({ name, error: undecodable(`the picture ${name}`, cause) });
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

async function decode(file: Blob, shape: PictureShape): Promise<Uint8Array> {
	if (file.size > largestFileBytes) throw new Error(`${file.size} bytes, more than ${largestFileBytes}`);
	const bitmap = await createImageBitmap(file);
	try {
		return pictureSample(bitmap, shape);
	} finally {
		bitmap.close();
	}
}

function undecodable(what: string, cause: unknown): DataError {
	return new DataError("PSGL_WEB_PICTURE", {
		what: `${what} cannot be used`,
		got: cause instanceof Error ? cause.message : undefined,
		expected: "a picture this browser shows: PNG, JPEG, WebP",
		remedy: "Look at the file in a picture viewer, and choose another",
		cause,
	});
}
