import { basename } from "node:path";
import { DataError } from "../errors.js";
import { elementCount, type Tensor } from "../tensor.js";
import { knownClasses } from "./class-names.js";
import { completeSplits } from "./complete-splits.js";
import { type DataSplits, Dataset, type SplitName } from "./dataset.js";
import { fileDigest } from "./file-digest.js";
import { checkLabels, firstMarks, marksPerSample, numberedClasses, readIndices, readMarks } from "./labels.js";
import type { LoadOptions } from "./load-options.js";
import type { NpyArray } from "./npy.js";
import { readNpz } from "./npz.js";

/** A part before it is known how many classes there are. */
interface Part {
	readonly shape: readonly number[];
	readonly samples: Uint8Array | Float32Array;
	readonly labels: Int32Array;
	/** K of marks [N,K] where several labels may apply to a sample; 0 where each has one class. */
	readonly marks: number;
	/** [N*K] these marks. */
	readonly targets: Uint8Array | undefined;
	readonly records: Int32Array | undefined;
	readonly labelsName: string;
}

/**
 * Loads an npz archive. Pictures as MedMNIST names them: `train_images` uint8 [N,H,W], [N,H,W,1] or [N,H,W,3] and
 * `train_labels`; signals: `train_signals` float32 [N,L] or [N,C,L] and `train_labels`, optionally
 * `train_records`. Likewise `val_` and `test_`. Labels are class indices [N] or [N,1], or, where several may apply to a
 * sample, marks 0 and 1 [N,K] (ChestMNIST).
 *
 * @throws DataError `PSGL_DATA_MISSING_ARRAY`, `PSGL_DATA_DTYPE`, `PSGL_DATA_SHAPE`, `PSGL_DATA_LABELS`,
 * `PSGL_DATA_LABEL_COUNT`, `PSGL_DATA_CLASSES`, `PSGL_DATA_NOT_FINITE`, `PSGL_DATA_EMPTY` and those of `readNpz`
 * @throws LimitError `PSGL_NPZ_EXPANDS`
 */
export async function loadNpzSplits(path: string, options: LoadOptions): Promise<DataSplits> {
	const { maxExpandedBytes, signal, onProgress } = options;
	const arrays = await readNpz(path, {
		maxExpandedBytes,
		signal,
		onArray: (done, total) => onProgress?.({ type: "progress", done, total }),
	});
	const name = basename(path);
	const kind = arrays.has("train_signals") && !arrays.has("train_images") ? "signals" : "images";
	const train = readPart(arrays, "train", kind, path);
	const validation = arrays.has(`val_${kind}`) ? readPart(arrays, "val", kind, path) : undefined;
	const test = arrays.has(`test_${kind}`) ? readPart(arrays, "test", kind, path) : undefined;
	const classes = classNames(name, train);
	const digest = await fileDigest(path, signal);
	const finish = (part: Part, split: SplitName): Dataset => {
		checkKind(part, train, classes);
		if (part.shape.join() !== train.shape.join()) {
			throw new DataError("PSGL_DATA_SHAPE", {
				what: `the parts of ${path} hold samples of different shapes`,
				got: `[${part.shape.join(",")}]`,
				expected: `[${train.shape.join(",")}] as in train`,
				remedy: "Resize all parts alike.",
			});
		}
		return new Dataset({ ...part, classes, provenance: (sample) => ({ kind: "npz", digest, part: split, sample }) });
	};
	return completeSplits(
		name,
		{
			train: finish(train, "train"),
			validation: validation && finish(validation, "validation"),
			test: test && finish(test, "test"),
		},
		options,
	);
}

function readPart(arrays: Map<string, NpyArray>, prefix: string, kind: "images" | "signals", path: string): Part {
	const samplesName = `${path}: ${prefix}_${kind}`;
	const labelsName = `${path}: ${prefix}_labels`;
	const array = required(arrays, `${prefix}_${kind}`, path);
	const { shape, samples } = kind === "images" ? readPictures(array, samplesName) : readSignals(array, samplesName);
	const count = samples.length / elementCount(shape);
	const labelArray = required(arrays, `${prefix}_labels`, path);
	const marks = marksPerSample(labelArray);
	const targets = marks > 0 ? readMarks(labelArray, labelsName, count) : undefined;
	const labels = targets ? firstMarks(targets, marks) : readIndices(labelArray, labelsName, count);
	const recordArray = arrays.get(`${prefix}_records`);
	const records = recordArray === undefined ? undefined : readIndices(recordArray, `${path}: ${prefix}_records`, count);
	return { shape, samples, marks, targets, labels, records, labelsName };
}

/** Known names, or numbers: one for each class that occurs, or for each label that a sample has a mark for. */
function classNames(file: string, { labels, marks, labelsName }: Part): readonly string[] {
	const known = knownClasses(file);
	if (marks === 0) return known ?? numberedClasses(labels, labelsName);
	return known?.length === marks ? known : Array.from({ length: marks }, (_, k) => String(k));
}

/** Refuses labels that no class belongs to, and parts with another number of marks a sample than train. */
function checkKind(part: Part, train: Part, classes: readonly string[]): void {
	if (part.marks === train.marks) {
		if (part.marks === 0) checkLabels(part.labels, classes, part.labelsName);
		return;
	}
	const kind = ({ marks }: Part) => (marks === 0 ? "one class a sample" : `${marks} marks a sample`);
	throw new DataError("PSGL_DATA_SHAPE", {
		what: `${part.labelsName} holds labels of another kind than train_labels`,
		got: kind(part),
		expected: kind(train),
		remedy: "Save the labels of all parts alike.",
	});
}

function required(arrays: Map<string, NpyArray>, key: string, path: string): NpyArray {
	const array = arrays.get(key);
	if (array !== undefined) return array;
	throw new DataError("PSGL_DATA_MISSING_ARRAY", {
		what: `${path} has no array ${key}`,
		got: [...arrays.keys()].join(", ") || "an empty archive",
		expected: "train_images or train_signals, train_labels, and the same with val_ and test_",
		remedy: "Name the arrays as MedMNIST does.",
	});
}

function asTensor(array: NpyArray, dtype: string, name: string): Tensor {
	const isTensor = typeof array === "object" && "dtype" in array;
	if (isTensor && array.dtype === dtype) return array;
	throw new DataError("PSGL_DATA_DTYPE", {
		what: `${name} has the wrong element type`,
		got: isTensor ? array.dtype : "text",
		expected: dtype,
		remedy: `Convert it with astype("${dtype}")${dtype === "uint8" ? ", values 0 to 255" : ""}.`,
	});
}

function shapeError(name: string, dims: readonly number[], expected: string): DataError {
	return new DataError("PSGL_DATA_SHAPE", {
		what: `${name} has the wrong shape`,
		got: `[${dims.join(",")}]`,
		expected,
		remedy: "Reshape the array; volumes cannot be used.",
	});
}

/** uint8 [N,H,W] or channels-last [N,H,W,C] to [C,H,W] samples. */
function readPictures(array: NpyArray, name: string): { shape: number[]; samples: Uint8Array } {
	const { dims, data } = asTensor(array, "uint8", name) as Tensor<"uint8">;
	const [count = 0, height = 0, width = 0, channels = 1] = dims;
	const fits = dims.length === 3 || (dims.length === 4 && (channels === 1 || channels === 3));
	if (!fits || height === 0 || width === 0) throw shapeError(name, dims, "[N,H,W], [N,H,W,1] or [N,H,W,3]");
	const shape = [channels, height, width];
	return { shape, samples: channels === 1 ? data : channelsFirst(data, count, height * width, channels) };
}

/** Interleaved pictures [N, pixels, channels] to planes [N, channels, pixels]. */
function channelsFirst(data: Uint8Array, count: number, pixels: number, channels: number): Uint8Array {
	const planes = new Uint8Array(data.length);
	for (let n = 0; n < count; n++) {
		const start = n * pixels * channels;
		for (let c = 0; c < channels; c++) {
			for (let p = 0; p < pixels; p++) {
				planes[start + c * pixels + p] = data[start + p * channels + c] as number;
			}
		}
	}
	return planes;
}

/** float32 [N,L] or [N,C,L] to [C,L] samples. */
function readSignals(array: NpyArray, name: string): { shape: number[]; samples: Float32Array } {
	const { dims, data } = asTensor(array, "float32", name) as Tensor<"float32">;
	const shape = dims.length === 2 ? [1, dims[1] as number] : dims.slice(1);
	if (dims.length < 2 || dims.length > 3 || elementCount(shape) === 0) throw shapeError(name, dims, "[N,L] or [N,C,L]");
	const bad = data.findIndex((value) => !Number.isFinite(value));
	if (bad >= 0) {
		throw new DataError("PSGL_DATA_NOT_FINITE", {
			what: `${name} holds a value that is not a finite number, in sample ${Math.floor(bad / elementCount(shape))}`,
			got: String(data[bad]),
			expected: "finite values",
			remedy: "Leave such samples out or repair them.",
		});
	}
	return { shape, samples: data };
}
