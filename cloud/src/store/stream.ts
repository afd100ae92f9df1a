import { DiscardPolicy, RetentionPolicy, StorageType, type StreamInfo } from "@nats-io/jetstream";
import { cloudLimits } from "../limits.js";
import { otherRun } from "../log/log-errors.js";
import { isMissingStream } from "./nats-faults.js";
import type { NatsLink } from "./nats-link.js";
import { persist } from "./persist.js";
import { storeConfig, storeRefused } from "./store-errors.js";

export interface StreamOptions {
	/** Its subjects begin with it. */
	readonly name: string;
	readonly replicas: number;
	/** What the log is about: SHA-256 (hex) of the artifact, and the partitions. */
	readonly run: string;
	readonly signal?: AbortSignal | undefined;
}

/**
 * The stream of a log, made where it is not there.
 * @throws ConfigError `PSGL_STORE_CONFIG`, `PSGL_STORE_REFUSED`, `PSGL_JOURNAL_OTHER_RUN`; ConnectionError `PSGL_STORE_TIMEOUT`.
 */
export async function openStream(link: NatsLink, options: StreamOptions): Promise<StreamInfo> {
	const { name, replicas, run, signal } = options;
	const { streams } = link.manager;
	const config = {
		name,
		subjects: [`psgl.${name}.>`],
		// Tells which run it is of: servers before 2.10 know no metadata.
		description: run,
		retention: RetentionPolicy.Limits,
		discard: DiscardPolicy.New,
		storage: StorageType.File,
		num_replicas: replicas,
		max_age: 0,
	};
	const what = `the stream ${name}`;
	const within = { signal, timeoutMs: cloudLimits.storeStartMs, what };
	const found = await persist(link, () => streams.info(name).catch(ifMissing), within);
	// Of two that make it at a time, one finds the other's.
	const info =
		found ??
		(await persist(link, () => streams.add(config), within).catch(async (error: unknown) => {
			const other = await streams.info(name).catch(ifMissing);
			if (other === undefined) throw storeRefused(what, error);
			return other;
		}));
	const { config: there } = info;
	if (there.description !== run) throw otherRun(what, there.description ?? "unknown", run);
	for (const key of ["subjects", "retention", "discard", "storage", "num_replicas", "max_age"] as const) {
		const [got, expected] = [there[key], config[key]].map((value) => JSON.stringify(value)) as [string, string];
		if (got !== expected) throw storeConfig(what, `${key} ${got}`, expected);
	}
	return info;
}

function ifMissing(error: unknown): undefined {
	if (isMissingStream(error)) return undefined;
	throw error;
}
