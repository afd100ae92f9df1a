import { DataError } from "@psgl/sdk";

/** Where the last checkpoints of a run lie. */
export interface CheckpointStore {
	/** For events and errors. */
	readonly name: string;
	/** Writes one, whole or not at all; the oldest of those that are kept goes. */
	write(bytes: Uint8Array): Promise<void>;
	/** Those there are, the newest first. @throws DataError `PSGL_CHECKPOINT_READ`. */
	read(): AsyncIterable<Uint8Array>;
}

/**
 * The newest checkpoint that `decode` takes: one that is damaged is passed over for the one before it.
 * @returns undefined when there is none.
 * @throws what `decode` throws; DataError `PSGL_CHECKPOINT_DAMAGED` when all are, `PSGL_CHECKPOINT_READ`.
 */
export async function readNewestCheckpoint<T>(
	store: Pick<CheckpointStore, "read">,
	decode: (bytes: Uint8Array) => T,
): Promise<{ readonly checkpoint: T; readonly damaged: number } | undefined> {
	const faults: unknown[] = [];
	for await (const bytes of store.read()) {
		try {
			return { checkpoint: decode(bytes), damaged: faults.length };
		} catch (error) {
			if (!(error instanceof DataError) || error.code !== "PSGL_CHECKPOINT_DAMAGED") throw error;
			faults.push(error);
		}
	}
	if (faults.length > 0) throw faults[0];
	return undefined;
}
