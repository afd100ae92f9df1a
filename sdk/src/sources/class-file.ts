import { extname } from "node:path";
import { decodeImage, imageChannels, type PictureOptions } from "./decode-image.js";
import { fileDigest } from "./file-digest.js";
import type { SampleProvenance } from "./sample-provenance.js";

/** File name endings of pictures that sharp decodes. */
export const pictureExtensions = [".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".gif", ".avif"];

const dicomExtensions = [".dcm", ".dicom", ".ima", ""];

/** What one file of a class folder holds. */
export interface ClassFile {
	/** uint8 [channels, size, size], one for each frame. */
	readonly frames: readonly Uint8Array[];
	/** Of each frame. */
	readonly provenance: readonly SampleProvenance[];
	/** Stands for the patient, where the file tells: the same for files of the same patient. */
	readonly patient: string | undefined;
}

/** Colour channels of a file's pictures: 1 (grey) or 3. */
export async function fileChannels(path: string): Promise<1 | 3> {
	if (!(await isDicom(path))) return imageChannels(path);
	const { readDicom } = await import("./dicom/read-dicom.js");
	return (await readDicom(path)).format.samplesPerPixel;
}

/**
 * Decodes a picture or DICOM file to square samples; a DICOM file gives one for each of its frames.
 * @throws Error of sharp, or DataError and LimitError of `readDicom`, when the file cannot be decoded
 */
export async function decodeClassFile(
	path: string,
	size: number,
	channels: 1 | 3,
	options: PictureOptions = {},
): Promise<ClassFile> {
	if (await isDicom(path)) {
		const { readDicom } = await import("./dicom/read-dicom.js");
		const image = await readDicom(path);
		const frames: Uint8Array[] = [];
		for (let frame = 0; frame < image.frames; frame++) {
			const { data } = await image.sample({ ...options, frame, size, channels });
			frames.push(Uint8Array.from(data, (level) => Math.round(level * 255)));
		}
		return { frames, provenance: frames.map((_, frame) => image.provenance(frame)), patient: image.patient };
	}
	if (!pictureExtensions.includes(extname(path).toLowerCase())) throw new Error("not a picture format that psgl reads");
	const frame = await decodeImage(path, size, channels, options);
	return { frames: [frame], provenance: [{ kind: "picture", digest: await fileDigest(path) }], patient: undefined };
}

async function isDicom(path: string): Promise<boolean> {
	if (!dicomExtensions.includes(extname(path).toLowerCase())) return false;
	const { isDicomFile } = await import("./dicom/read-dicom.js");
	return isDicomFile(path);
}
