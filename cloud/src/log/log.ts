/** One entry of the log. */
export interface LogEntry {
	/** Place in the log: the first entry has 0, the next 1, without gaps. */
	readonly position: number;
	readonly bytes: Uint8Array;
}

export interface LogWaitOptions {
	readonly signal?: AbortSignal | undefined;
}

export interface LogAppendOptions extends LogWaitOptions {
	/** Only the log's owner may write this: refused to one that another has taken the log over from. Default false. */
	readonly asOwner?: boolean | undefined;
}

/** The end of a log where entries go in. */
export interface LogInlet extends AsyncDisposable {
	/**
	 * Adds an entry and resolves with its position when the entry is as safe as this log makes it. The bytes must not
	 * change afterwards. Waits while the log is full.
	 * @throws LimitError `PSGL_LOG_ENTRY_TOO_LARGE` when it can never fit, `PSGL_JOURNAL_FULL` when the disk is
	 * full; ConnectionError `PSGL_LOG_CLOSED`, `PSGL_LEASE_LOST`.
	 */
	append(entry: Uint8Array, options?: LogAppendOptions): Promise<number>;
	close(): Promise<void>;
}

/**
 * Port to the ordered log between broker and aggregator. The broker appends what devices publish before it
 * acknowledges it; the aggregator reads in order, and releases what its state no longer depends on.
 */
export interface Log extends LogInlet {
	/** Drawn when the log was begun; empty where it is not durable. */
	readonly id: string;
	/** Whether entries are there again when the process that appended them is gone. */
	readonly durable: boolean;
	/** Position of the first entry since the log was opened: what is before it was appended by a process before this one. */
	readonly openedAt: number;
	/** First position that has not been released. */
	readonly start: number;
	/** Position the next entry will have. */
	readonly end: number;
	/**
	 * Entries from position `from` on, in order; waits for further ones at the end. Ends after the last entry when the
	 * log is closed.
	 * @throws DataError `PSGL_JOURNAL_DAMAGED`; `PSGL_LOG_RELEASED` when `from` has been released.
	 */
	read(from: number, options?: LogWaitOptions): AsyncIterable<LogEntry>;
	/** Entries before `before` will not be read again. */
	release(before: number): void;
}
