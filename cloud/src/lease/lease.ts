/** The right to be the only one who does something. */
export interface Lease extends AsyncDisposable {
	readonly name: string;
	/** Larger than that of every holder before: goes with what the holder writes, so that a later one is not overwritten. */
	readonly epoch: number;
	/** Aborts with `PSGL_LEASE_LOST` when the lease is somebody else's, or nobody can tell any more that it is not. */
	readonly lost: AbortSignal;
	/** Gives it back. */
	release(): Promise<void>;
}

export interface AcquireOptions {
	/** Stand by until the lease is free. Default false. */
	readonly wait?: boolean | undefined;
	/** Milliseconds a free lease is left to others first, where they are on other machines. Default 0. */
	readonly holdBackMs?: number | undefined;
	readonly signal?: AbortSignal | undefined;
}

/** Port to leases: of the processes that share one `Leases`, one at a time holds the lease of a name. */
export interface Leases extends AsyncDisposable {
	/**
	 * Takes a lease and keeps it until it is released. One that a dead process left behind becomes free by itself.
	 * @throws ConfigError `PSGL_LEASE_HELD` when somebody holds it and this does not wait; the signal's reason.
	 */
	acquire(name: string, options?: AcquireOptions): Promise<Lease>;
	close(): Promise<void>;
}
