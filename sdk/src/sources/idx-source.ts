import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { DataError, LimitError } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { completeSplits } from "./complete-splits.js";
import { type DataSplits, Dataset } from "./dataset.js";
import { fileDigest } from "./file-digest.js";
import { fileError } from "./file-error.js";
import { parseIdx } from "./idx.js";
import { checkLabels, numberedClasses, readIndices } from "./labels.js";
import { defaultMaxExpandedBytes, type LoadOptions } from "./load-options.js";

const inflate = promisify(gunzip);

/** `train-images-idx3-ubyte.gz` and the names other copies of MNIST and its relatives use. */
const filePattern = /^(train|t10k|test)-(images|labels)[.-]idx[13]-ubyte(\.gz)?$/;

/** File of each role, for instance `train images`, in a folder listing. */
function filesByRole(files: readonly string[]): Map<string, string> {
	const roles = new Map<string, string>();
	for (const file of [...files].sort()) {
		const [, part, kind] = filePattern.exec(file) ?? [];
		const role = `${part === "train" ? "train" : "test"} ${kind}`;
		// The unpacked file sorts first and wins where both are there.
		if (part && !roles.has(role)) roles.set(role, file);
	}
	return roles;
}

/** Whether a folder with these files is an idx set. */
export function isIdxFolder(files: readonly string[]): boolean {
	return filesByRole(files).size > 0;
}

/**
 * Loads a folder of idx files, plain or gzip: train images and labels, test images and labels.
 *
 * @throws DataError `PSGL_IDX_MISSING`, `PSGL_IDX_GZIP`, `PSGL_IDX_MAGIC`, `PSGL_IDX_LENGTH`, `PSGL_DATA_SHAPE`,
 * `PSGL_DATA_LABEL_COUNT`, `PSGL_DATA_LABELS`, `PSGL_DATA_CLASSES`
 * @throws LimitError `PSGL_IDX_EXPANDS`
 */
export async function loadIdxSplits(
	folder: string,
	files: readonly string[],
	options: LoadOptions,
): Promise<DataSplits> {
	const roles = filesByRole(files);
	const needed = roles.has("test images") || roles.has("test labels") ? ["train", "test"] : ["train"];
	const total = needed.length * 2;
	let done = 0;
	const read = async (role: string): Promise<{ name: string; tensor: Tensor<"uint8"> }> => {
		const file = roles.get(role);
		if (file === undefined) {
			throw new DataError("PSGL_IDX_MISSING", {
				what: `${folder} has no file with the ${role}`,
				got: [...roles.values()].join(", "),
				expected: "train-images-idx3-ubyte and train-labels-idx1-ubyte, and the same with t10k, each plain or .gz",
				remedy: "Put the missing file beside the others.",
			});
		}
		const name = join(folder, file);
		const parsed = { name, tensor: parseIdx(await readUnpacked(name, options), name) };
		done++;
		options.onProgress?.({ type: "progress", done, total });
		return parsed;
	};
	const readPart = async (part: "train" | "test") => {
		const images = await read(`${part} images`);
		const labels = await read(`${part} labels`);
		const [count = 0, height = 0, width = 0] = images.tensor.dims;
		if (images.tensor.dims.length !== 3 || height * width === 0) {
			throw new DataError("PSGL_DATA_SHAPE", {
				what: `${images.name} does not hold pictures`,
				got: `[${images.tensor.dims.join(",")}]`,
				expected: "[N,H,W]",
				remedy: "Check that the image and label files have not been swapped.",
			});
		}
		const indices = readIndices(labels.tensor, labels.name, count);
		const digest = await fileDigest(images.name, options.signal);
		const provenance = (sample: number) => ({ kind: "idx", digest, part, sample }) as const;
		const { data: samples } = images.tensor;
		return { shape: [1, height, width], samples, labels: indices, labelsName: labels.name, provenance };
	};
	const train = await readPart("train");
	const test = needed.includes("test") ? await readPart("test") : undefined;
	const classes = numberedClasses(train.labels, train.labelsName);
	if (test) checkLabels(test.labels, classes, test.labelsName);
	const parts = {
		train: new Dataset({ ...train, classes }),
		test: test && new Dataset({ ...test, classes }),
	};
	return completeSplits(basename(folder), parts, options);
}

async function readUnpacked(path: string, { signal, maxExpandedBytes }: LoadOptions): Promise<Uint8Array> {
	const limit = maxExpandedBytes ?? defaultMaxExpandedBytes;
	const bytes = await readFile(path, { signal }).catch((cause) => {
		if (signal?.aborted) throw signal.reason;
		throw fileError(path, cause);
	});
	if (!path.endsWith(".gz")) return bytes;
	return inflate(bytes, { maxOutputLength: limit }).catch((cause) => {
		if (cause.code === "ERR_BUFFER_TOO_LARGE") {
			throw new LimitError("PSGL_IDX_EXPANDS", {
				what: `${path} expands past the limit`,
				expected: `at most ${limit} bytes`,
				remedy: "If you trust the file, raise maxExpandedBytes.",
				cause,
			});
		}
		throw new DataError("PSGL_IDX_GZIP", {
			what: `${path} is not a whole gzip file`,
			got: String(cause.message),
			remedy: "Fetch the file again.",
			cause,
		});
	});
}
