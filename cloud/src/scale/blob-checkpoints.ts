import { ConnectionError, DataError, PsglError } from "@psgl/sdk";
import type { CheckpointStore } from "../aggregator/checkpoint-store.js";
import type { BlobStore } from "../blobs/blob-store.js";
import { cloudLimits } from "../limits.js";

export interface BlobCheckpointsOptions {
	readonly blobs: BlobStore;
	/** First part of their names. */
	readonly prefix: string;
	/** Of the owner that writes: one before it is refused from now on. */
	readonly epoch: number;
}

/** Checkpoints as blobs, the last three in turn, which owners before this one can no longer write. @throws ConfigError `PSGL_BLOB_FENCED`. */
export async function blobCheckpoints({ blobs, prefix, epoch }: BlobCheckpointsOptions): Promise<CheckpointStore> {
	const names = Array.from({ length: cloudLimits.checkpointsKept }, (_, i) => `${prefix}/checkpoint-${i}`);
	for (const name of names) await blobs.fence(name, epoch);
	const newestFirst = async () => (await blobs.list(`${prefix}/`)).filter(({ name }) => names.includes(name));
	return {
		name: prefix,
		async write(bytes) {
			try {
				const there = await newestFirst();
				const free = names.find((name) => there.every((info) => info.name !== name));
				await blobs.put(free ?? (there.at(-1)?.name as string), bytes, { epoch });
			} catch (error) {
				// The log has all that a checkpoint would have shortened: the run goes on without it when the store is back.
				throw error instanceof ConnectionError && error.code === "PSGL_STORE_TIMEOUT"
					? unwritten(prefix, error)
					: error;
			}
		},
		async *read() {
			for (const { name } of await newestFirst()) yield await bytesOf(blobs, name);
		},
	};
}

/** The oldest of those checkpoints, for whoever only reads: a replay starts from it. */
export function oldestBlobCheckpoint(blobs: BlobStore, prefix: string): Pick<CheckpointStore, "name" | "read"> {
	return {
		name: prefix,
		async *read() {
			const oldest = (await blobs.list(`${prefix}/checkpoint-`)).at(-1);
			if (oldest !== undefined) yield await bytesOf(blobs, oldest.name);
		},
	};
}

function unwritten(prefix: string, cause: ConnectionError): DataError {
	return new DataError("PSGL_CHECKPOINT_WRITE", {
		what: `cannot write a checkpoint of ${prefix}`,
		got: cause.message,
		remedy: "Check the store",
		cause,
	});
}

/** A checkpoint that is damaged is passed over as a damaged file is: what it holds fails its digest. */
async function bytesOf(blobs: BlobStore, name: string): Promise<Uint8Array> {
	try {
		return (await blobs.get(name)) ?? new Uint8Array();
	} catch (error) {
		if (error instanceof DataError) return new Uint8Array();
		if (error instanceof PsglError) throw error;
		throw new DataError("PSGL_CHECKPOINT_READ", {
			what: `cannot read the checkpoint ${name}`,
			got: (error as Error).message,
			remedy: "Check the store",
			cause: error,
		});
	}
}
