import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { ConfigError, DataError, PsglError } from "../errors.js";
import { elementCount } from "../tensor.js";
import { type ClassFile, decodeClassFile, fileChannels, pictureExtensions } from "./class-file.js";
import { completeSplits } from "./complete-splits.js";
import { type DataSplits, Dataset } from "./dataset.js";
import { defaultImageSize, type LoadOptions } from "./load-options.js";
import type { SampleProvenance } from "./sample-provenance.js";

/** Folder names of each part. */
const partNames = { train: ["train", "training"], validation: ["validation", "valid", "val"], test: ["test"] };

/** Pictures decoded at the same time: as many as libuv has threads. */
const concurrency = 4;

/** Most pictures looked at to decide between grey and colour. */
const channelSample = 101;

interface PictureFile {
	readonly path: string;
	readonly label: number;
}

/**
 * Loads a folder of pictures or DICOM files with a sub-folder for each class; the class names are the folder names, sorted, or those of the options.
 * If there is a sub-folder `train`, the class folders are looked for in it and in `validation` (or `val`, `valid`)
 * and `test`. Hidden files are left alone. Parts taken off a set of DICOM files keep each patient's images together.
 *
 * @throws DataError `PSGL_IMAGE_CLASSES`, `PSGL_IMAGE_UNDECODABLE` (with `strict`), `PSGL_DATA_EMPTY`
 * @throws ConfigError `PSGL_IMAGE_SIZE`
 */
export async function loadImageFolder(folder: string, options: LoadOptions): Promise<DataSplits> {
	const size = options.imageSize ?? defaultImageSize;
	if (!Number.isInteger(size) || size < 4 || size > 4096) {
		throw new ConfigError("PSGL_IMAGE_SIZE", {
			what: "the picture size cannot be used",
			got: String(size),
			expected: "a whole number of pixels from 4 to 4096",
		});
	}
	const top = await subFolders(folder);
	const folderOf = (part: keyof typeof partNames) => top.find((name) => partNames[part].includes(name.toLowerCase()));
	const trainFolder = folderOf("train");
	const root = trainFolder === undefined ? folder : join(folder, trainFolder);
	const found = trainFolder === undefined ? top : await subFolders(root);
	const { classes = found } = options;
	if (classes.length < 2) {
		throw new DataError("PSGL_IMAGE_CLASSES", {
			what: `${root} does not hold a sub-folder for each class`,
			got: classes.join(", ") || "no sub-folders",
			expected: "at least two sub-folders, named as the classes",
			remedy: "Put the pictures of each class into a folder of their own.",
		});
	}
	const files = {
		train: await listPictures(root, classes),
		validation: [] as PictureFile[],
		test: [] as PictureFile[],
	};
	for (const part of ["validation", "test"] as const) {
		const name = trainFolder === undefined ? undefined : folderOf(part);
		if (name !== undefined) files[part] = await listPictures(join(folder, name), classes);
	}
	const all = [...files.train, ...files.validation, ...files.test];
	const channels = options.channels ?? (await majorityChannels(all));
	const decoded = await decodeAll(all, size, channels, options);
	const patients = new Map<string, number>();
	const load = (part: PictureFile[]): Dataset | undefined =>
		part.length === 0 ? undefined : assemble(part, decoded, patients, { shape: [channels, size, size], classes });
	const train = load(files.train);
	if (train === undefined) throw emptyFolder(root);
	return completeSplits(
		basename(folder),
		{ train, validation: load(files.validation), test: load(files.test), byRecord: train.records !== undefined },
		options,
	);
}

/** The frames of a part's files. Where files tell the patient, each patient has a number, and each other file one of its own. */
function assemble(
	part: readonly PictureFile[],
	decoded: ReadonlyMap<string, ClassFile>,
	patients: Map<string, number>,
	{ shape, classes }: { shape: readonly number[]; classes: readonly string[] },
): Dataset {
	const frames: Uint8Array[] = [];
	const labels: number[] = [];
	const records: number[] = [];
	const provenance: SampleProvenance[] = [];
	let anyPatient = false;
	for (const { path, label } of part) {
		const file = decoded.get(path);
		if (file === undefined) continue;
		const patient = file.patient ?? `file ${path}`;
		anyPatient ||= file.patient !== undefined;
		const record = patients.get(patient) ?? patients.size;
		patients.set(patient, record);
		for (const [i, frame] of file.frames.entries()) {
			frames.push(frame);
			labels.push(label);
			records.push(record);
			provenance.push(file.provenance[i] as SampleProvenance);
		}
	}
	const samples = new Uint8Array(frames.length * elementCount(shape));
	frames.forEach((frame, i) => {
		samples.set(frame, i * frame.length);
	});
	return new Dataset({
		shape,
		classes,
		labels: Int32Array.from(labels),
		samples,
		records: anyPatient ? Int32Array.from(records) : undefined,
		provenance: (index) => provenance[index] as SampleProvenance,
	});
}

function emptyFolder(root: string): DataError {
	return new DataError("PSGL_DATA_EMPTY", {
		what: `the class folders of ${root} hold no files`,
		expected: `pictures: ${pictureExtensions.join(", ")}, or DICOM files`,
		remedy: "Put the pictures of each class into its folder.",
	});
}

async function subFolders(folder: string): Promise<string[]> {
	const entries = await readdir(folder, { withFileTypes: true });
	return entries
		.filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
		.map((entry) => entry.name)
		.sort();
}

/** The files of every class, by class, then by name. Part folders may lack a class but not add one. */
async function listPictures(root: string, classes: readonly string[]): Promise<PictureFile[]> {
	const present = await subFolders(root);
	const unknown = present.filter((name) => !classes.includes(name));
	if (unknown.length > 0) {
		throw new DataError("PSGL_IMAGE_CLASSES", {
			what: `${root} has folders that are no class`,
			got: unknown.join(", "),
			expected: classes.join(", "),
			remedy: "Name the class folders alike in every part, as the classes are called.",
		});
	}
	const files: PictureFile[] = [];
	for (const name of present) {
		const entries = await readdir(join(root, name), { withFileTypes: true });
		const names = entries
			.filter((entry) => !entry.isDirectory() && !entry.name.startsWith("."))
			.map((entry) => entry.name);
		for (const file of names.sort()) files.push({ path: join(root, name, file), label: classes.indexOf(name) });
	}
	return files;
}

/** 3 when more than half of the readable files of an even sample are in colour, else 1. */
async function majorityChannels(files: readonly PictureFile[]): Promise<1 | 3> {
	const step = Math.max(1, Math.ceil(files.length / channelSample));
	let grey = 0;
	let colour = 0;
	for (let i = 0; i < files.length; i += step) {
		const path = (files[i] as PictureFile).path;
		try {
			if ((await fileChannels(path)) === 3) colour++;
			else grey++;
		} catch {
			// `decodeAll` names every file that cannot be read.
		}
	}
	return colour > grey ? 3 : 1;
}

/** Decoded files by path. An undecodable one is named in a warning and left out, or refused when strict. */
async function decodeAll(
	files: readonly PictureFile[],
	size: number,
	channels: 1 | 3,
	{ strict, picture, signal, onProgress }: LoadOptions,
): Promise<Map<string, ClassFile>> {
	const decoded = new Map<string, ClassFile>();
	let next = 0;
	let done = 0;
	const decodeOne = async (path: string) => {
		try {
			decoded.set(path, await decodeClassFile(path, size, channels, picture));
		} catch (cause) {
			const error = cause instanceof PsglError ? cause : undecodable(path, cause);
			if (strict) throw error;
			const what = error.what.includes(path) ? error.what : `${path}: ${error.what}`;
			onProgress?.({ type: "warning", code: error.code, message: `${what} and was skipped (${error.got})` });
		}
		onProgress?.({ type: "progress", done: ++done, total: files.length });
	};
	const work = async () => {
		for (let file = files[next++]; file !== undefined; file = files[next++]) {
			signal?.throwIfAborted();
			await decodeOne(file.path);
		}
	};
	await Promise.all(Array.from({ length: concurrency }, work));
	return decoded;
}

function undecodable(path: string, cause: unknown): DataError {
	return new DataError("PSGL_IMAGE_UNDECODABLE", {
		what: `${path} cannot be decoded`,
		got: cause instanceof Error ? cause.message : String(cause),
		expected: `a whole picture: ${pictureExtensions.join(", ")}, or a DICOM file`,
		remedy: "Repair or remove the file, or leave out --strict to skip it.",
		cause,
	});
}
