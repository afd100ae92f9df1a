/** Parts of an error message: what was wrong, what was got, what was expected, what to do about it. */
export interface ErrorParts {
	/** What was wrong, one sentence without a full stop. */
	readonly what: string;
	readonly got?: string | undefined;
	readonly expected?: string | undefined;
	/** What the reader can do about it. */
	readonly remedy?: string | undefined;
	readonly cause?: unknown;
}

/**
 * Base of every error psgl throws on purpose. `code` is stable: programs branch on it, and
 * `docs/troubleshooting.md` lists each one. `exitCode` is what the command line ends with.
 */
export abstract class PsglError extends Error {
	readonly code: string;
	abstract readonly exitCode: number;
	readonly what: string;
	readonly got: string | undefined;
	readonly expected: string | undefined;
	readonly remedy: string | undefined;

	constructor(code: string, parts: ErrorParts) {
		super(formatParts(parts), parts.cause === undefined ? undefined : { cause: parts.cause });
		this.name = new.target.name;
		this.code = code;
		this.what = parts.what;
		this.got = parts.got;
		this.expected = parts.expected;
		this.remedy = parts.remedy;
	}
}

function formatParts({ what, got, expected, remedy }: ErrorParts): string {
	let message = what;
	if (got !== undefined) message += `; got ${got}`;
	if (expected !== undefined) message += `; expected ${expected}`;
	return remedy === undefined ? message : `${message}. ${remedy}`;
}

/** A setting or argument that cannot be used. */
export class ConfigError extends PsglError {
	readonly exitCode = 2;
}

/** A data file, folder or record that cannot be read or does not hold what it should. */
export class DataError extends PsglError {
	readonly exitCode = 3;
}

/** A model artifact or ONNX file that cannot be read, checked or used. */
export class ArtifactError extends PsglError {
	readonly exitCode = 4;
}

/** Broker unreachable, link lost, port in use. */
export class ConnectionError extends PsglError {
	readonly exitCode = 5;
}

/** A message that breaks the wire protocol. */
export class ProtocolError extends PsglError {
	readonly exitCode = 6;
}

/** Tensor shapes or types that do not fit together. */
export class ShapeError extends PsglError {
	readonly exitCode = 7;
}

/** NaN or infinity where a finite number has to be. */
export class NumericError extends PsglError {
	readonly exitCode = 8;
}

/** A documented limit was reached. */
export class LimitError extends PsglError {
	readonly exitCode = 9;
}
