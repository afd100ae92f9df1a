import { DataError } from "../../errors.js";
import { readBounded } from "../read-bounded.js";
import { parseTextTable } from "../text-table.js";
import { liveLimits } from "./live-limits.js";

/**
 * Labels by the id they belong to, from a file of text with columns `id` and `label`; a later line goes before an earlier one.
 * @throws DataError `PSGL_DATA_NOT_FOUND`, `PSGL_DATA_UNREADABLE`, `PSGL_LABELS_FILE`
 */
export async function readLabels(path: string, { signal }: { readonly signal?: AbortSignal | undefined } = {}) {
	const most = liveLimits.maxLabelFileBytes;
	const tooLong = (name: string, bytes: number) => unusable(name, `${bytes} bytes`, `at most ${most} bytes`);
	const { names, rows } = parseTextTable((await readBounded(path, { most, tooLong, signal })).toString("utf8"));
	const [id, label] = [names.indexOf("id"), names.indexOf("label")];
	// Without a line of names the first line is somebody's: it is not told.
	if (id < 0 || label < 0) throw unusable(path, `${names.length} columns of other names`, "columns id and label");
	const labels = new Map<string, string>();
	for (const row of rows) {
		const [key, value] = [row[id], row[label]];
		if (key !== undefined && key !== "" && value !== undefined && value !== "") labels.set(key, value);
	}
	return labels;
}

function unusable(path: string, got: string, expected: string): DataError {
	return new DataError("PSGL_LABELS_FILE", {
		what: `${path} is no list of labels`,
		got,
		expected,
		remedy: "Write it again.",
	});
}
