import { createHash, randomUUID } from "node:crypto";
import type { KV } from "@nats-io/kv";
import type { ObjectStore } from "@nats-io/obj";
import { ConfigError, DataError, systemClock } from "@psgl/sdk";
import { z } from "zod";
import { checkedName } from "../blobs/blob-name.js";
import type { BlobInfo, BlobOptions, BlobStore, PutOptions } from "../blobs/blob-store.js";
import { cloudLimits } from "../limits.js";
import { journalFull } from "../log/log-errors.js";
import { openKeys, openObjects } from "./buckets.js";
import { listKeys } from "./list-keys.js";
import { isStoreFull, isWrongSequence } from "./nats-faults.js";
import type { NatsLink } from "./nats-link.js";
import { persist } from "./persist.js";
import { removeObject } from "./remove-object.js";
import { blobDamaged, blobFenced, blobMissing, storeTimeout } from "./store-errors.js";

export interface JetStreamBlobStoreOptions {
	readonly link: NatsLink;
	/** Of its buckets. */
	readonly name: string;
	readonly replicas?: number | undefined;
	/** Bytes of a blob in one object. Default 256 MiB. */
	readonly shardBytes?: number | undefined;
	/** Milliseconds a blob may take. Default 60,000. */
	readonly timeoutMs?: number | undefined;
	readonly signal?: AbortSignal | undefined;
}

const index = z.strictObject({
	bytes: z.int().min(0),
	sha256: z.string(),
	/** Of who wrote it. */
	epoch: z.int().min(0),
	/** Owners before this one may not write. */
	fence: z.int().min(0),
	/** Names of the objects that hold its shards in order; null where only the fence is left. */
	objects: z.array(z.string()).nullable(),
});

type Index = z.infer<typeof index>;
interface Found {
	readonly entry: Index;
	readonly revision: number;
}

/** Reads of a blob before it counts as damaged, and the longest pause between two in milliseconds. */
const readAttempts = 4;
const readPauseMs = 2_000;

const nothing: Index = { bytes: 0, sha256: "", epoch: 0, fence: 0, objects: null };

/** Blobs in JetStream's object store: objects first, then the entry of an index that makes them the blob, compared and set. */
export async function openJetStreamBlobStore(options: JetStreamBlobStoreOptions): Promise<BlobStore> {
	const { link, name, replicas = 1, signal } = options;
	const keys = await openKeys(link, { name: `${name}-index`, replicas, signal });
	const objects = await openObjects(link, { name: `${name}-blobs`, replicas, signal });
	return new JetStreamBlobStore(options, keys, objects);
}

class JetStreamBlobStore implements BlobStore {
	readonly #options: JetStreamBlobStoreOptions;
	readonly #keys: KV;
	readonly #objects: ObjectStore;

	constructor(options: JetStreamBlobStoreOptions, keys: KV, objects: ObjectStore) {
		this.#options = options;
		this.#keys = keys;
		this.#objects = objects;
	}

	async put(name: string, bytes: Uint8Array, { epoch = 0, signal }: PutOptions = {}): Promise<BlobInfo> {
		await this.#admitted(name, epoch, signal);
		const { shardBytes = cloudLimits.blobShardBytes } = this.#options;
		const sha256 = createHash("sha256").update(bytes).digest("hex");
		const objects: string[] = [];
		const entry = { bytes: bytes.length, sha256, epoch, fence: epoch, objects };
		try {
			for (let at = 0; at < bytes.length; at += shardBytes) {
				objects.push(await this.#putShard(name, bytes.subarray(at, at + shardBytes), signal));
			}
			const { before, revision } = await this.#replace(name, epoch, () => entry, signal);
			await this.#removeObjects(before);
			return { name, bytes: bytes.length, sha256, epoch, revision };
		} catch (error) {
			// After a call without an answer the index may name the objects: they stay.
			if (isStoreFull(error) || error instanceof ConfigError) await this.#removeObjects(entry);
			throw isStoreFull(error) ? journalFull(`the store, blob ${name}`, error) : error;
		}
	}

	async get(name: string, { signal }: BlobOptions = {}): Promise<Uint8Array | undefined> {
		let fault: unknown;
		const { link } = this.#options;
		// An object that was cut short because a server died while it came, or that was replaced, is looked for again; after an outage for longer:
		// servers that all came back answer before they have done everything in their own log again.
		for (let attempt = 0; attempt < readAttempts || link.calmMs < cloudLimits.storeStartMs; attempt++) {
			if (attempt > 0) await systemClock.sleep(Math.min(attempt * cloudLimits.leasePollMs, readPauseMs), signal);
			const found = await this.#find(name, signal);
			if (found === undefined || found.entry.objects === null) return undefined;
			try {
				return await this.#read(name, found.entry, signal);
			} catch (error) {
				if (!(error instanceof DataError)) throw error;
				fault = error;
			}
		}
		throw fault;
	}

	async list(prefix: string, { signal }: BlobOptions = {}): Promise<readonly BlobInfo[]> {
		const { link, name: store, timeoutMs = cloudLimits.blobTimeoutMs } = this.#options;
		const within = { timeoutMs, signal, what: "list blobs" };
		const keys = await listKeys({ link, bucket: `${store}-index`, key: ">", ...within });
		const infos: BlobInfo[] = [];
		for (const name of keys.map((key) => key.replaceAll(".", "/")).filter((each) => each.startsWith(prefix))) {
			const found = await this.#find(name, signal);
			if (found === undefined || found.entry.objects === null) continue;
			const { bytes, sha256, epoch } = found.entry;
			infos.push({ name, bytes, sha256, epoch, revision: found.revision });
		}
		return infos.sort((a, b) => b.revision - a.revision);
	}

	async fence(name: string, epoch: number, { signal }: BlobOptions = {}): Promise<void> {
		await this.#replace(name, epoch, (before) => ({ ...before, fence: epoch }), signal);
	}

	async remove(name: string, { epoch = 0, signal }: PutOptions = {}): Promise<void> {
		if ((await this.#admitted(name, epoch, signal)) === undefined) return;
		const { before } = await this.#replace(
			name,
			epoch,
			({ fence }) => ({ ...nothing, fence: Math.max(fence, epoch) }),
			signal,
		);
		await this.#removeObjects(before);
	}

	async close(): Promise<void> {
		// The link is the owner's to close.
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	async #admitted(name: string, epoch: number, signal: AbortSignal | undefined): Promise<Found | undefined> {
		const found = await this.#find(name, signal);
		if (found !== undefined && epoch < found.entry.fence) throw blobFenced(name, epoch, found.entry.fence);
		return found;
	}

	/** Sets the index entry of a blob, unless somebody else does at the same time; then it looks again. */
	async #replace(
		name: string,
		epoch: number,
		change: (before: Index) => Index,
		signal: AbortSignal | undefined,
	): Promise<{ readonly before: Index; readonly revision: number }> {
		for (;;) {
			const found = await this.#admitted(name, epoch, signal);
			const before = found?.entry ?? nothing;
			const entry = change(before);
			// Our own, of an attempt whose answer was lost: what it replaced is not known any more.
			if (found !== undefined && isSame(before, entry)) return { before: nothing, revision: found.revision };
			try {
				const value = JSON.stringify(entry);
				const key = keyOf(name);
				const set = () =>
					found === undefined ? this.#keys.create(key, value) : this.#keys.update(key, value, found.revision);
				return { before, revision: await this.#call(`put ${name}`, set, signal) };
			} catch (error) {
				if (!isWrongSequence(error)) throw error;
				const now = await this.#find(name, signal);
				// Our own, of an attempt whose answer was lost.
				if (now !== undefined && isSame(now.entry, entry)) {
					return { before, revision: now.revision };
				}
			}
		}
	}

	async #find(name: string, signal: AbortSignal | undefined): Promise<Found | undefined> {
		const entry = await this.#call(`look for ${name}`, () => this.#keys.get(keyOf(name)), signal);
		if (entry === null || entry.operation !== "PUT") return undefined;
		const parsed = index.safeParse(entry.json());
		if (!parsed.success) throw blobDamaged(name, "another entry in the index", "an entry of this version of psgl");
		return { entry: parsed.data, revision: entry.revision };
	}

	/** @throws DataError `PSGL_BLOB_MISSING`, `PSGL_BLOB_DAMAGED`. */
	async #read(name: string, entry: Index, signal: AbortSignal | undefined): Promise<Uint8Array> {
		const bytes = new Uint8Array(entry.bytes);
		let at = 0;
		for (const object of entry.objects ?? []) {
			const shard = await this.#call(`get ${name}`, () => this.#objects.getBlob(object), signal);
			if (shard === null) throw blobMissing(name, "an index without all of its objects");
			if (at + shard.length > bytes.length) throw blobDamaged(name, "more bytes", `${entry.bytes} bytes`);
			bytes.set(shard, at);
			at += shard.length;
		}
		const digest = createHash("sha256").update(bytes.subarray(0, at)).digest("hex");
		if (digest !== entry.sha256) throw blobDamaged(name, `${at} bytes with SHA-256 ${digest}`, entry.sha256);
		return bytes;
	}

	/** An attempt that was given up goes on by itself somewhere: each has a name of its own, so that none spoils another's object. */
	#putShard(name: string, shard: Uint8Array, signal: AbortSignal | undefined): Promise<string> {
		const put = async () => {
			const object = randomUUID();
			await this.#objects.putBlob({ name: object }, shard);
			return object;
		};
		return this.#call(`put ${name}`, put, signal);
	}

	/** What stays of a blob nobody can find does no harm. */
	async #removeObjects({ objects }: Index): Promise<void> {
		const { link, name } = this.#options;
		for (const object of objects ?? []) {
			await removeObject(link, { bucket: `${name}-blobs`, objects: this.#objects, object }).catch(() => undefined);
		}
	}

	/** A call that may hang when servers die in the middle of an object ends in time all the same. */
	async #call<T>(what: string, call: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
		const { link, timeoutMs = cloudLimits.blobTimeoutMs } = this.#options;
		const late = AbortSignal.timeout(timeoutMs);
		const stop = AbortSignal.any([late, ...(signal ? [signal] : [])]);
		const stopped = new Promise<never>((_, reject) => {
			stop.addEventListener("abort", () => reject(late.aborted ? storeTimeout(what, timeoutMs) : signal?.reason), {
				once: true,
			});
		});
		return Promise.race([persist(link, call, { signal: stop, timeoutMs, what }), stopped]);
	}
}

function isSame(a: Index, b: Index): boolean {
	return JSON.stringify(a) === JSON.stringify(b);
}

/** Keys of a bucket have dots where names have slashes. */
function keyOf(name: string): string {
	return checkedName(name).replaceAll("/", ".");
}
