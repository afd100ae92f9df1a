import { JetStreamApiError } from "@nats-io/jetstream";
import { type KV, Kvm } from "@nats-io/kv";
import { type ObjectStore, Objm } from "@nats-io/obj";
import { cloudLimits } from "../limits.js";
import { isTaken } from "./nats-faults.js";
import type { NatsLink } from "./nats-link.js";
import { persist } from "./persist.js";
import { storeConfig, storeRefused } from "./store-errors.js";
import { withoutPurge } from "./without-purge.js";

export interface BucketOptions {
	readonly name: string;
	readonly replicas: number;
	readonly signal?: AbortSignal | undefined;
}

/**
 * A key-value bucket, made where it is not there.
 * @param ttl milliseconds after which a key that nobody sets is gone; 0: never
 * @throws ConfigError `PSGL_STORE_CONFIG`, `PSGL_STORE_REFUSED`; ConnectionError `PSGL_STORE_TIMEOUT`.
 */
export async function openKeys(link: NatsLink, options: BucketOptions, ttl = 0): Promise<KV> {
	const { name, replicas } = options;
	const what = `the bucket ${name}`;
	// Read from the leader: another replica may tell what was before the last write.
	const keys = await opened(
		link,
		what,
		() => new Kvm(link.jetStream).create(name, { replicas, history: 1, ttl, allow_direct: false }),
		options,
	);
	const status = await opened(link, what, () => keys.status(), options);
	requireSame(
		what,
		{ replicas: status.replicas, ttl: status.ttl, history: status.history },
		{ replicas, ttl, history: 1 },
	);
	return keys;
}

/** A bucket of objects, made where it is not there. @throws as `openKeys`. */
export async function openObjects(link: NatsLink, options: BucketOptions): Promise<ObjectStore> {
	const { name, replicas } = options;
	const what = `the objects of ${name}`;
	const objects = await opened(
		link,
		what,
		() => new Objm(withoutPurge(link.jetStream)).create(name, { replicas }),
		options,
	);
	const status = await opened(link, what, () => objects.status(), options);
	requireSame(what, { replicas: status.replicas, ttl: status.ttl }, { replicas, ttl: 0 });
	return objects;
}

/** Opening takes what is there as it is. @throws ConfigError `PSGL_STORE_CONFIG`. */
function requireSame<T extends Readonly<Record<string, number>>>(what: string, got: T, expected: T): void {
	for (const [key, value] of Object.entries(expected)) {
		if (got[key] !== value) throw storeConfig(what, `${key} ${got[key]}`, String(value));
	}
}

async function opened<T>(link: NatsLink, what: string, open: () => Promise<T>, { signal }: BucketOptions): Promise<T> {
	const within = { signal, timeoutMs: cloudLimits.storeStartMs, what };
	try {
		// Of two that make it at a time one may be refused, and then finds the other's.
		return await persist(link, open, within).catch((error: unknown) => {
			if (!isTaken(error)) throw error;
			return persist(link, open, within);
		});
	} catch (error) {
		throw error instanceof JetStreamApiError ? storeRefused(what, error) : error;
	}
}
