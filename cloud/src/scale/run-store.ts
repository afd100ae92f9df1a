import type { KV } from "@nats-io/kv";
import { ConfigError, type PsglError } from "@psgl/sdk";
import { encodeRecord } from "../aggregator/run-record.js";
import type { BlobStore } from "../blobs/blob-store.js";
import type { Leases } from "../lease/lease.js";
import type { Log } from "../log/log.js";
import type { RolloutStore } from "../rollout/rollout-store.js";
import { openKeys } from "../store/buckets.js";
import { openJetStreamBlobStore } from "../store/jetstream-blob-store.js";
import { openJetStreamLeases } from "../store/jetstream-leases.js";
import { openJetStreamLog } from "../store/jetstream-log.js";
import { type JetStreamRolloutsOptions, openJetStreamRollouts } from "../store/jetstream-rollouts.js";
import { openJetStreamTwins } from "../store/jetstream-twins.js";
import { NatsLink } from "../store/nats-link.js";
import { openStream } from "../store/stream.js";
import type { TwinStore } from "../twins/twin-store.js";
import { finishRollout } from "./finish-rollout.js";
import { findRun, logName, noRun, runOf } from "./run-logs.js";

/** Where a run lies. */
export interface RunStorePlace {
	/** Addresses of NATS servers: `nats://…`, `tls://…`. */
	readonly servers: readonly string[];
	/** Of the run: everything of it in the store has a name that starts with this. Default `psgl`. */
	readonly name?: string | undefined;
	/** Folder with `ca.pem`, `cert.pem`, `key.pem`. */
	readonly tlsFolder?: string | undefined;
	readonly signal?: AbortSignal | undefined;
}

export interface RunStoreOptions extends RunStorePlace {
	/** SHA-256 (hex) of the artifact the run started from. */
	readonly artifact: string;
	/** Parts of the fleet, each with an aggregator of its own. Default 1. */
	readonly partitions?: number | undefined;
	/** Servers that keep each thing. Default 3 where three servers or more are named, else 1. */
	readonly replicas?: number | undefined;
	/** Milliseconds after which a lease that nobody renews is free; the same for every process of a run. Default 4000. */
	readonly leaseMs?: number | undefined;
}

/** Everything of one run that lies on NATS: a log for each partition, leases, blobs, and the way to devices. */
export class RunStore implements AsyncDisposable {
	readonly link: NatsLink;
	readonly leases: Leases;
	readonly blobs: BlobStore;
	readonly partitions: number;
	readonly name: string;
	/** SHA-256 (hex) of its artifact. */
	readonly artifact: string;
	readonly #options: RunStoreOptions;

	private constructor(options: RunStoreOptions, link: NatsLink, parts: { leases: Leases; blobs: BlobStore }) {
		this.#options = options;
		this.link = link;
		this.leases = parts.leases;
		this.blobs = parts.blobs;
		this.partitions = options.partitions ?? 1;
		this.name = options.name ?? "psgl";
		this.artifact = options.artifact;
	}

	/**
	 * Connects with a run's store.
	 * @throws ConnectionError `PSGL_STORE_UNREACHABLE`, `PSGL_STORE_TIMEOUT`; ConfigError `PSGL_STORE_VERSION`,
	 * `PSGL_STORE_CONFIG`, `PSGL_STORE_REFUSED`, `PSGL_STORE_NAME`, `PSGL_JOURNAL_OTHER_RUN` when another run has the name.
	 */
	static async open(options: RunStoreOptions): Promise<RunStore> {
		const link = await openLink(options);
		return RunStore.#on(link, options).catch((error) => closed(link, error));
	}

	/**
	 * Connects with the store of a run that is there, as it was made: for an operator, who gives it orders.
	 * @throws as `open`; ConfigError `PSGL_STORE_NO_RUN` when nobody has begun one under that name.
	 */
	static async join(options: RunStorePlace): Promise<RunStore> {
		const { name = "psgl", signal } = options;
		const link = await openLink(options);
		try {
			const found = await findRun(link, name, signal);
			if (found === undefined) throw noRun(name);
			return await RunStore.#on(link, { ...options, ...found });
		} catch (error) {
			return closed(link, error);
		}
	}

	static async #on(link: NatsLink, options: RunStoreOptions): Promise<RunStore> {
		const { name = "psgl", leaseMs, signal } = options;
		const common = { link, name, replicas: replicasOf(options), signal };
		// Before anything else is made: a name that is another run's, or has other partitions, stays as it is.
		await openStream(link, streamOf(options, 0)).catch(async (error: PsglError) => {
			const { artifact, partitions = 1 } = options;
			const isOther = error.code === "PSGL_JOURNAL_OTHER_RUN";
			if (!isOther || !(await finishRollout({ link, name, artifact, partitions, signal }))) throw error;
		});
		return new RunStore(options, link, {
			leases: await openJetStreamLeases({ ...common, leaseMs }),
			blobs: await openJetStreamBlobStore(common),
		});
	}

	/**
	 * The log of a partition.
	 * @param epoch of the lease that makes this process its owner; left out, it only appends what devices send, or reads
	 * @throws ConfigError `PSGL_STORE_CONFIG`, `PSGL_STORE_REFUSED`, `PSGL_JOURNAL_OTHER_RUN`; ConnectionError `PSGL_STORE_TIMEOUT`.
	 */
	openLog(partition: number, epoch?: number): Promise<Log> {
		return openJetStreamLog({
			...streamOf(this.#options, partition),
			link: this.link,
			claim: epoch === undefined ? undefined : encodeRecord({ type: "owner", epoch }),
		});
	}

	/** A bucket of keys of the run. @throws ConfigError `PSGL_STORE_CONFIG`, `PSGL_STORE_REFUSED`; ConnectionError `PSGL_STORE_TIMEOUT`. */
	openKeys(what: string): Promise<KV> {
		const { name, ...common } = this.#common;
		return openKeys(this.link, { name: `${name}-${what}`, ...common });
	}

	/**
	 * The devices' twins.
	 * @param timeoutMs a call to them waits for a store that does not answer. Default: until it does
	 * @throws as `openKeys`.
	 */
	openTwins(timeoutMs?: number): Promise<TwinStore> {
		return openJetStreamTwins({ ...this.#common, timeoutMs });
	}

	/** A staged roll-out. @param more part of the fleet, and patience, as `openJetStreamRollouts`. @throws as `openKeys`. */
	openRollouts(more: Pick<JetStreamRolloutsOptions, "partition" | "timeoutMs" | "signal">): Promise<RolloutStore> {
		return openJetStreamRollouts({ ...this.#common, blobs: this.blobs, ...more });
	}

	async close(): Promise<void> {
		await this.leases.close();
		await this.link.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	get #common() {
		const { link, name } = this;
		return { link, name, replicas: replicasOf(this.#options), signal: this.#options.signal };
	}
}

/** @throws ConfigError `PSGL_STORE_NAME`; as `NatsLink.open`. */
function openLink({ servers, name = "psgl", tlsFolder, signal }: RunStorePlace): Promise<NatsLink> {
	// Another run's subjects would be those of this run's log: `ward-p0` has notices where `ward` has partition 0.
	if (!/^[a-z0-9-]{1,32}$/.test(name) || /-p\d+$/.test(name)) throw badName(name);
	return NatsLink.open({ servers, client: `psgl ${name}`, tlsFolder, signal });
}

async function closed(link: NatsLink, error: unknown): Promise<never> {
	await link.close();
	throw error;
}

/** The stream of a partition's log. */
function streamOf(options: RunStoreOptions, partition: number) {
	const { name = "psgl", artifact, partitions = 1, signal } = options;
	const run = runOf(artifact, partition, partitions);
	return { name: logName(name, partition), run, replicas: replicasOf(options), signal };
}

function replicasOf({ replicas, servers }: RunStoreOptions): number {
	return replicas ?? (servers.length >= 3 ? 3 : 1);
}

function badName(name: string): ConfigError {
	return new ConfigError("PSGL_STORE_NAME", {
		what: "this cannot name a run in the store",
		got: JSON.stringify(name.slice(0, 100)),
		expected: "1 to 32 small letters, digits and -, which do not end in -p and a number",
	});
}
