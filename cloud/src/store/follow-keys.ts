import { type KV, type KvWatchEntry, KvWatchInclude } from "@nats-io/kv";
import { type Clock, systemClock } from "@psgl/sdk";
import { cloudLimits as limits } from "../limits.js";
import type { NatsLink } from "./nats-link.js";
import { persist } from "./persist.js";

export interface FollowKeysOptions {
	readonly link: NatsLink;
	readonly keys: KV;
	/** Which ones; `*` and `>` stand for parts of a name. Default: all. */
	readonly key?: string | undefined;
	/** Revision of the bucket after which entries count. Left out, each key's newest entry comes first, and again whenever the watch is begun anew. */
	readonly after?: number | undefined;
	readonly clock?: Clock | undefined;
	/** Aborting it ends the following. */
	readonly signal: AbortSignal;
	/** For errors. */
	readonly what: string;
}

/**
 * Calls back with entries of a bucket as they come, over whatever becomes of the store's servers: a watch that ended with its server, or that hears
 * nothing for a while, is begun again. Resolves when `signal` aborts or the link was closed.
 */
export async function followKeys(options: FollowKeysOptions, onEntry: (entry: KvWatchEntry) => void): Promise<void> {
	const { link, keys, key, clock = systemClock, signal, what } = options;
	let { after } = options;
	while (!signal.aborted) {
		try {
			const from = after === undefined ? {} : { resumeFromRevision: after + 1 };
			const watch = () => keys.watch({ ...(key && { key }), include: KvWatchInclude.LastValue, ...from });
			const entries = await persist(link, watch, { signal, what });
			const over = new AbortController();
			const stop = () => entries.stop();
			const ended = AbortSignal.any([signal, over.signal]);
			signal.addEventListener("abort", stop, { once: true });
			let heardAt = clock.now();
			const quiet = async () => {
				for (;;) {
					const restMs = heardAt + limits.keysQuietMs - clock.now();
					if (restMs <= 0) return stop();
					await clock.sleep(restMs, ended);
				}
			};
			// Rejects when the watch is over by itself.
			quiet().catch(() => undefined);
			try {
				if (signal.aborted) return;
				for await (const entry of entries) {
					heardAt = clock.now();
					if (after !== undefined) after = entry.revision;
					onEntry(entry);
				}
			} finally {
				over.abort();
				stop();
				signal.removeEventListener("abort", stop);
			}
		} catch {
			if (link.isClosed) return;
		}
		await clock.sleep(limits.storeRetryMs, signal).catch(() => undefined);
	}
}

/** What a bucket's newest entry is numbered. @throws as `persist`. */
export async function lastRevision(link: NatsLink, keys: KV, signal?: AbortSignal): Promise<number> {
	const look = () => keys.status();
	const status = await persist(link, look, { signal, what: "look for the newest entry of a bucket" });
	return status.streamInfo.state.last_seq;
}
