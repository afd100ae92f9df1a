import { ConfigError, ConnectionError, DataError, LimitError } from "@psgl/sdk";

export function logClosed(): ConnectionError {
	return new ConnectionError("PSGL_LOG_CLOSED", { what: "the log is closed", remedy: "Start the aggregator again" });
}

export function entryTooLarge(bytes: number, most: number): LimitError {
	return new LimitError("PSGL_LOG_ENTRY_TOO_LARGE", {
		what: "an entry does not fit in the log",
		got: `${bytes} bytes`,
		expected: `at most ${most} bytes`,
		remedy: "Lower maxMessageBytes, or give the log more room",
	});
}

export function released(position: number, start: number): DataError {
	return new DataError("PSGL_LOG_RELEASED", {
		what: "an entry of the log is no longer there",
		got: `position ${position}`,
		expected: `${start} or later`,
	});
}

/** Damage of what was safe on the disk: nothing is repaired by guessing. */
export function journalDamaged(file: string, what: string): DataError {
	return new DataError("PSGL_JOURNAL_DAMAGED", {
		what: `the journal is damaged in ${file}`,
		got: what,
		expected: "records that fit their checksums, without a gap",
		remedy:
			"Restore the file from a backup; or move the journal's folder and the checkpoints made after the damage away: training goes on from the last checkpoint before it",
	});
}

export function journalUnusable(folder: string, cause: unknown): DataError {
	return new DataError("PSGL_JOURNAL_UNWRITABLE", {
		what: `the journal's folder ${folder} cannot be used`,
		got: (cause as Error).message,
		expected: "a folder this user may write to",
		remedy: "Check the path, its rights, and that the disk is not mounted read-only",
		cause,
	});
}

export function journalFull(folder: string, cause: unknown): LimitError {
	return new LimitError("PSGL_JOURNAL_FULL", {
		what: "the disk of the journal is full",
		got: `${(cause as NodeJS.ErrnoException).code} in ${folder}`,
		remedy: "Free space on the aggregator's disk; the same message is taken then",
		cause,
	});
}

/** What a disk that is full, a quota or a file size limit says. */
export function isFull(error: unknown): boolean {
	return ["ENOSPC", "EDQUOT", "EFBIG"].includes((error as NodeJS.ErrnoException).code ?? "");
}

export function otherRun(where: string, got: string, expected: string): ConfigError {
	return new ConfigError("PSGL_JOURNAL_OTHER_RUN", {
		what: `the journal in ${where} is of another run`,
		got: `artifact ${got}`,
		expected: `artifact ${expected}`,
		remedy: "Give the artifact the run started with, or another state folder or --store-name",
	});
}
