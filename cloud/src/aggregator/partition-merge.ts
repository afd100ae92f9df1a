import { createHash } from "node:crypto";
import { DataError } from "@psgl/sdk";
import type { ClientWeights } from "@psgl/sdk/protocol";
import { z } from "zod";
import { weightedAverage } from "./averaging.js";
import { decodeCheckpoint, encodeCheckpoint } from "./checkpoint.js";
import type { AggregatorContext } from "./context.js";
import { combineClients } from "./robust-averaging.js";
import type { MergePart } from "./run-record.js";
import type { ServerState } from "./server-segment.js";

/** Place of a merge in a run: partitions meet at it. */
export interface MergePlace {
	readonly round: number;
	/** Of the round, from 0. */
	readonly leg: number;
	/** The partition has no further leg in this round: whoever has waits for it no more. */
	readonly last: boolean;
}

/** Port to the other partitions of a run: copies of the segments are offered and taken. */
export interface PartitionExchange {
	/**
	 * Offers this partition's copy at a place and resolves with the parts to merge, in the order of the partitions: its own, and of
	 * every other the first one that is at that place or after it. A partition that does not come in time is left out.
	 * @param weight samples the copy was trained on since the merge before
	 */
	exchange(place: MergePlace, weight: number, copy: Uint8Array, signal: AbortSignal): Promise<readonly MergePart[]>;
	/** The copy of a part. @throws DataError `PSGL_BLOB_MISSING`, `PSGL_BLOB_DAMAGED`. */
	copy(part: MergePart): Promise<Uint8Array>;
	/** This partition has trained: nobody waits for it any more. */
	finish(): Promise<void>;
}

interface Segments {
	readonly client: ClientWeights;
	readonly server: ServerState;
}

const facts = z.strictObject({ step: z.int().min(0) });

/**
 * Makes one of the partitions' segments, weighted by the samples each was trained on since the last merge (SplitFed; Thapa et al., AAAI 2022).
 * What was merged is a record of the log, so a replay merges the same. Without other partitions nothing changes.
 * @throws as `PartitionExchange.copy`.
 */
export async function mergePartitions(
	context: AggregatorContext,
	epoch: number,
	place: MergePlace,
	own: Segments & { readonly weight: number },
): Promise<Segments> {
	const { exchange, history, stopping } = context;
	if (exchange === undefined) return own;
	const before = history.leg(epoch)?.merged;
	if (before === undefined) {
		history.live(true);
		// Who only makes a run again ends here, and offers nothing.
		await history.ready;
		if (stopping.aborted) return own;
	}
	const copy = encodeCopy(own);
	const meet = () =>
		exchange.exchange(place, own.weight, copy, stopping).catch((error: unknown) => {
			// A stopped round is dropped, wherever its stop found it.
			if (stopping.aborted) return [];
			throw error;
		});
	const parts = before?.parts ?? (await meet());
	if (stopping.aborted) return own;
	if (before === undefined) await history.append({ type: "merge", epoch, parts });
	const sha256 = digestOf(copy);
	const copies = await Promise.all(
		parts.map(async (part) => {
			const bytes = part.sha256 === sha256 ? copy : await checkedCopy(exchange, part);
			return { ...decodeCopy(bytes), weight: part.weight };
		}),
	);
	context.emit({ type: "merged", epoch, partitions: parts.map(({ partition }) => partition) });
	if (copies.every(({ weight }) => weight === 0)) return own;
	const average = (name: "params" | "stats" | "slots") =>
		weightedAverage(copies.map(({ server, weight }) => ({ vector: server[name], weight })));
	return {
		client: combineClients(copies, "mean"),
		server: {
			params: average("params"),
			stats: average("stats"),
			slots: average("slots"),
			step: Math.max(...copies.map(({ server }) => server.step)),
		},
	};
}

async function checkedCopy(exchange: PartitionExchange, part: MergePart): Promise<Uint8Array> {
	const bytes = await exchange.copy(part);
	const got = digestOf(bytes);
	if (got === part.sha256) return bytes;
	throw new DataError("PSGL_MERGE_OTHER", {
		what: `partition ${part.partition}'s copy is another one than was merged`,
		got: `SHA-256 ${got}`,
		expected: part.sha256,
		remedy: "Restore the store from a backup, or go on from a later checkpoint",
	});
}

function digestOf(bytes: Uint8Array): string {
	return createHash("sha256").update(bytes).digest("hex");
}

function encodeCopy({ client, server }: Segments): Uint8Array {
	const { params, stats, slots, step } = server;
	const vectors: Record<string, typeof params> = { params, stats, slots };
	for (const [name, vector] of Object.entries(client)) vectors[`client/${name}`] = vector;
	return encodeCheckpoint({ facts: { step }, vectors });
}

function decodeCopy(bytes: Uint8Array): Segments {
	const { facts: known, vectors } = decodeCheckpoint(bytes, facts);
	const vector = (name: string) => {
		const found = vectors[name];
		if (found !== undefined) return found;
		throw new DataError("PSGL_CHECKPOINT_FORMAT", { what: "a partition's copy lacks a vector", expected: name });
	};
	return {
		client: { params: vector("client/params"), stats: vector("client/stats"), head: vector("client/head") },
		server: { params: vector("params"), stats: vector("stats"), slots: vector("slots"), step: known.step },
	};
}
