/** What the store knows of a blob. */
export interface BlobInfo {
	readonly name: string;
	readonly bytes: number;
	/** SHA-256 (hex) of the bytes. */
	readonly sha256: string;
	/** Of the owner that wrote it. */
	readonly epoch: number;
	/** Grows with every write in the store: the larger of two was written later. */
	readonly revision: number;
}

export interface BlobOptions {
	readonly signal?: AbortSignal | undefined;
}

export interface PutOptions extends BlobOptions {
	/** Of the owner that writes. Default 0. */
	readonly epoch?: number | undefined;
}

/** Port to named byte strings, each written whole or not at all. Names are letters, digits, `-`, `_` and `/`. */
export interface BlobStore extends AsyncDisposable {
	/**
	 * Writes a blob; one of the same name is replaced.
	 * @throws ConfigError `PSGL_BLOB_FENCED` when a later owner wrote or fenced it, `PSGL_BLOB_NAME`; LimitError `PSGL_JOURNAL_FULL`.
	 */
	put(name: string, bytes: Uint8Array, options?: PutOptions): Promise<BlobInfo>;
	/**
	 * The bytes, checked against their digest; undefined when there is no such blob.
	 * @throws DataError `PSGL_BLOB_DAMAGED`, `PSGL_BLOB_MISSING` when a part of it is gone; ConnectionError `PSGL_STORE_TIMEOUT`.
	 */
	get(name: string, options?: BlobOptions): Promise<Uint8Array | undefined>;
	/** Blobs whose names start with `prefix`, the one written last first. */
	list(prefix: string, options?: BlobOptions): Promise<readonly BlobInfo[]>;
	/** From now on `put` and `remove` of this name are refused to owners before `epoch`. */
	fence(name: string, epoch: number, options?: BlobOptions): Promise<void>;
	/** Removes a blob that is there; what fences it stays. */
	remove(name: string, options?: PutOptions): Promise<void>;
	close(): Promise<void>;
}
