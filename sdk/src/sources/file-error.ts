import { DataError } from "../errors.js";

/** The DataError for a failed file system call on `path`: `PSGL_DATA_NOT_FOUND` or `PSGL_DATA_UNREADABLE`. */
export function fileError(path: string, cause: unknown): DataError {
	const errno = cause instanceof Error && "code" in cause ? String(cause.code) : "an unknown error";
	if (errno === "ENOENT" || errno === "ENOTDIR") {
		return new DataError("PSGL_DATA_NOT_FOUND", {
			what: `${path} does not exist`,
			remedy: "Check the path; a relative one starts at the current folder.",
			cause,
		});
	}
	return new DataError("PSGL_DATA_UNREADABLE", {
		what: `${path} cannot be read`,
		got: errno,
		expected: "a readable file or folder",
		remedy: "Check who may read it.",
		cause,
	});
}
