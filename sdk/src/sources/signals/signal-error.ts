import { DataError, LimitError } from "../../errors.js";

/** What a recording has wrong. */
export type SignalFault =
	/** The header or a line cannot be read. */
	| "PSGL_SIGNAL_HEADER"
	/** A format or layout psgl does not read. */
	| "PSGL_SIGNAL_UNSUPPORTED"
	/** The values end before the header says, or have another checksum. */
	| "PSGL_SIGNAL_TRUNCATED"
	/** No two classes, or no usable window of one. */
	| "PSGL_SIGNAL_CLASSES";

/** The error for a recording at `name`. */
export function signalError(
	code: SignalFault,
	name: string,
	got: string,
	expected: string,
	cause?: unknown,
): DataError {
	return new DataError(code, {
		what: `the recording ${name} cannot be used`,
		got,
		expected,
		remedy: "Export the recording again, or leave it out; docs/sources.md lists what psgl reads.",
		cause,
	});
}

/** The error for a recording over one of `signalLimits`. */
export function signalLimit(name: string, got: string, most: string): LimitError {
	return new LimitError("PSGL_SIGNAL_LIMIT", {
		what: `the recording ${name} is too large`,
		got,
		expected: `at most ${most}`,
		remedy: "Cut it into shorter ones.",
	});
}
