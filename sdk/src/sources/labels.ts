import { DataError } from "../errors.js";
import type { Tensor } from "../tensor.js";
import type { NpyArray } from "./npy.js";

/**
 * Class indices [N] out of an integer array [N] or [N,1].
 *
 * @param name for error messages, for instance `data.npz: train_labels`
 * @param count how many samples there are
 * @throws DataError `PSGL_DATA_DTYPE`, `PSGL_DATA_SHAPE`, `PSGL_DATA_LABEL_COUNT`, `PSGL_DATA_LABELS`
 */
export function readIndices(array: NpyArray, name: string, count: number): Int32Array {
	const { data, dims } = integerTensor(array, name);
	if (dims.length === 0 || dims.length > 2 || (dims.length === 2 && dims[1] !== 1)) {
		throw new DataError("PSGL_DATA_SHAPE", {
			what: `${name} does not hold one number for each sample`,
			got: `shape [${dims.join(",")}]`,
			expected: "[N] or [N,1]",
			remedy: "Keep one column. Several labels a sample are read from npz files whose train_labels is [N,K].",
		});
	}
	checkCount(data.length, count, name);
	const indices = new Int32Array(count);
	for (let i = 0; i < count; i++) {
		const value = Number(data[i]);
		if (value < 0 || value > 0x7fffffff) throw labelError(name, i, value, "a number from 0 to 2147483647");
		indices[i] = value;
	}
	return indices;
}

/** K where an array holds a row of marks for each sample, as where several labels may apply to one: [N,K], K at least 2. Else 0. */
export function marksPerSample(array: NpyArray): number {
	const [, columns = 0, ...more] = typeof array === "object" && "dims" in array ? array.dims : [];
	return more.length === 0 && columns > 1 ? columns : 0;
}

/**
 * Marks [N*K], 1 where a label applies to the sample, else 0, out of an integer array [N,K].
 *
 * @throws DataError `PSGL_DATA_DTYPE`, `PSGL_DATA_LABEL_COUNT`, `PSGL_DATA_LABELS`
 */
export function readMarks(array: NpyArray, name: string, count: number): Uint8Array {
	const { data, dims } = integerTensor(array, name);
	const [rows = 0, labels = 0] = dims;
	checkCount(rows, count, name);
	return Uint8Array.from(data as ArrayLike<number | bigint>, (value, i) => {
		const mark = Number(value);
		if (mark === 0 || mark === 1) return mark;
		throw new DataError("PSGL_DATA_LABELS", {
			what: `${name} has a mark that is neither 0 nor 1, for label ${i % labels} of sample ${Math.floor(i / labels)}`,
			got: String(mark),
			expected: "1 where a label applies to the sample, else 0",
			remedy: "Save marks of several labels a sample as [N,K] of 0 and 1, or class indices as [N].",
		});
	});
}

/** [N] the first label that applies to each sample, and `labels` where none does. */
export function firstMarks(marks: Uint8Array, labels: number): Int32Array {
	return Int32Array.from({ length: marks.length / labels }, (_, n) => {
		const first = marks.subarray(n * labels, (n + 1) * labels).indexOf(1);
		return first < 0 ? labels : first;
	});
}

function checkCount(entries: number, count: number, name: string): void {
	if (entries === count) return;
	throw new DataError("PSGL_DATA_LABEL_COUNT", {
		what: `${name} does not have as many entries as there are samples`,
		got: `${entries}`,
		expected: `${count}`,
		remedy: "Write the samples and their labels from the same list.",
	});
}

function integerTensor(array: NpyArray, name: string): Tensor {
	const isTensor = typeof array === "object" && "dtype" in array;
	if (isTensor && !["float16", "float32", "float64"].includes(array.dtype)) return array;
	throw new DataError("PSGL_DATA_DTYPE", {
		what: `${name} does not hold integers`,
		got: isTensor ? array.dtype : "text",
		expected: "uint8, int8, uint16, int16, int32, int64 or bool",
		remedy: 'Save class indices, for instance labels.astype("uint8").',
	});
}

/**
 * Refuses labels that no class belongs to.
 * @throws DataError `PSGL_DATA_LABELS`
 */
export function checkLabels(labels: Int32Array, classes: readonly string[], name: string): void {
	const at = labels.findIndex((label) => label < 0 || label >= classes.length);
	if (at >= 0) throw labelError(name, at, labels[at] as number, `0 to ${classes.length - 1} (${classes.join(", ")})`);
}

/**
 * Names "0", "1", ... for a set that does not name its classes: as many as the train part's largest label says.
 *
 * @throws DataError `PSGL_DATA_LABELS` when a class in between never occurs: such labels are usually something
 * else, for instance mask values 0 and 255 or classes counted from 1
 * @throws DataError `PSGL_DATA_CLASSES` when there are fewer than two
 */
export function numberedClasses(trainLabels: Int32Array, name: string): string[] {
	const present = new Set(trainLabels);
	const largest = trainLabels.reduce((max, label) => Math.max(max, label), -1);
	if (present.size < 2) {
		throw new DataError("PSGL_DATA_CLASSES", {
			what: `${name} holds fewer than two classes`,
			got: `${present.size}`,
			expected: "at least two",
			remedy: "A classifier needs samples of at least two classes in the train part.",
		});
	}
	if (present.size !== largest + 1) {
		throw new DataError("PSGL_DATA_LABELS", {
			what: `${name} leaves out classes`,
			got: `${present.size} different labels, the largest ${largest}`,
			expected: `labels 0 to ${present.size - 1}`,
			remedy: "Number the classes from 0 without gaps.",
		});
	}
	return Array.from({ length: largest + 1 }, (_, i) => String(i));
}

function labelError(name: string, at: number, value: number, expected: string): DataError {
	return new DataError("PSGL_DATA_LABELS", {
		what: `${name} has a label out of range at index ${at}`,
		got: String(value),
		expected,
		remedy: "Number the classes from 0 without gaps.",
	});
}
