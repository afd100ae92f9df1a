import type { KV, KvEntry } from "@nats-io/kv";
import type { NatsLink } from "./nats-link.js";
import { type PersistOptions, persist } from "./persist.js";

export interface ListKeysOptions extends PersistOptions {
	readonly link: NatsLink;
	/** Name of the bucket. */
	readonly bucket: string;
	/** Which ones; `*` and `>` stand for parts of a name. */
	readonly key: string;
}

/** Entries that are asked for at a time. */
const readsAtOnce = 64;

/**
 * Keys of a bucket, removed ones among them, as the leader of its stream has them. The client's own list makes a consumer, which may be on a server that
 * lags behind, for instance one that has just come back: what was written last would be missing. @throws as `persist`.
 */
export async function listKeys({ link, bucket, key, ...within }: ListKeysOptions): Promise<readonly string[]> {
	const prefix = `$KV.${bucket}.`;
	const look = () => link.manager.streams.info(`KV_${bucket}`, { subjects_filter: `${prefix}${key}` });
	const { state } = await persist(link, look, within);
	return Object.keys(state.subjects ?? {}).map((subject) => subject.slice(prefix.length));
}

/** The newest entries of a bucket, by their keys, as the leader has them. @throws as `persist`. */
export async function readEntries(keys: KV, options: ListKeysOptions): Promise<readonly KvEntry[]> {
	const names = [...(await listKeys(options))].sort();
	const entries: KvEntry[] = [];
	for (let at = 0; at < names.length; at += readsAtOnce) {
		const some = names.slice(at, at + readsAtOnce).map((name) => persist(options.link, () => keys.get(name), options));
		for (const entry of await Promise.all(some)) if (entry?.operation === "PUT") entries.push(entry);
	}
	return entries;
}
