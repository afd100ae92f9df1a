/** A record to write; without a value it is removed. */
export interface StoreChange {
	readonly key: string;
	readonly value: Uint8Array | undefined;
}

/**
 * Port to what a device keeps over restarts: records by name. One process at a time has a store open. What a store
 * holds is always what some `write` left, whole: a store that cannot say so fails to open.
 */
export interface DeviceStore extends AsyncDisposable {
	/** @throws DataError `PSGL_STORE_DAMAGED`. */
	get(key: string): Promise<Uint8Array | undefined>;
	/** Names that begin with `prefix`, in order. */
	keys(prefix: string): Promise<readonly string[]>;
	/**
	 * Makes all changes or none, whatever happens meanwhile; resolves when they outlast a power cut. Writes take effect in
	 * the order of the calls. Values must not change until then.
	 * @throws DataError `PSGL_STORE_WRITE`, for instance when the disk is full; ConfigError `PSGL_STORE_CLOSED`.
	 */
	write(changes: readonly StoreChange[]): Promise<void>;
	/** Resolves when writes under way have ended. Closing again has no effect. */
	close(): Promise<void>;
}
