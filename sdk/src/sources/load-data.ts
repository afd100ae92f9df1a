import { readdir, stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { DataError } from "../errors.js";
import type { DataSplits } from "./dataset.js";
import { fileError } from "./file-error.js";
import { isIdxFolder, loadIdxSplits } from "./idx-source.js";
import type { LoadOptions } from "./load-options.js";
import { loadNpzSplits } from "./npz-source.js";

/**
 * Loads a data set and recognises which kind it is:
 * - an npz file with pictures (MedMNIST names) or signals (`train_signals`),
 * - a folder of MNIST idx files, plain or gzip,
 * - a folder of recordings: WFDB, EDF, or CSV files (`@psgl/sdk/sources/signals`),
 * - a folder of pictures or DICOM files with a sub-folder for each class, optionally below `train`, `validation` and `test`.
 *
 * A missing validation or test part is taken off the train part, stratified, by `options.seed`.
 *
 * @example
 * const { train, validation, test } = await loadData('pneumoniamnist.npz', { seed: 1 });
 * @throws DataError `PSGL_DATA_NOT_FOUND`, `PSGL_DATA_UNREADABLE`, `PSGL_DATA_UNKNOWN_FORMAT` and those of each kind's reader
 * @throws LimitError `PSGL_NPZ_EXPANDS`, `PSGL_IDX_EXPANDS`
 */
export async function loadData(path: string, options: LoadOptions): Promise<DataSplits> {
	options.signal?.throwIfAborted();
	try {
		const found = await stat(path);
		if (!found.isDirectory()) {
			if (/\.npz$/i.test(path)) return await loadNpzSplits(path, options);
			throw unknownFormat(path, `a file named ${basename(path)}`);
		}
		const entries = await readdir(path, { withFileTypes: true });
		const files = entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
		if (isIdxFolder(files)) return await loadIdxSplits(resolve(path), files, options);
		if (files.some((file) => /\.(hea|edf|csv)$/i.test(file))) {
			const { isSignalFolder, loadSignalFolder } = await import("./signals/signal-folder.js");
			if (isSignalFolder(files)) return await loadSignalFolder(resolve(path), files, options);
		}
		if (entries.some((entry) => entry.isDirectory())) {
			const { loadImageFolder } = await import("./image-folder.js");
			return await loadImageFolder(resolve(path), options);
		}
		throw unknownFormat(path, `a folder with ${files.length} files and no sub-folders`);
	} catch (cause) {
		if (cause instanceof Error && "syscall" in cause) throw fileError(path, cause);
		throw cause;
	}
}

function unknownFormat(path: string, got: string): DataError {
	return new DataError("PSGL_DATA_UNKNOWN_FORMAT", {
		what: `${path} is no kind of data set that psgl knows`,
		got,
		expected:
			"an .npz file, a folder of idx files, of recordings (WFDB, EDF, NAME.signals.csv), or of pictures or DICOM files with a sub-folder for each class",
		remedy: "Convert the data to one of these.",
	});
}
