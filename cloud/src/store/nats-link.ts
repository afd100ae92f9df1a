import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type JetStreamClient, type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { connect, errors, type NatsConnection, type NodeConnectionOptions } from "@nats-io/transport-node";
import { type Clock, systemClock } from "@psgl/sdk";
import { cloudLimits } from "../limits.js";
import { logClosed } from "../log/log-errors.js";
import { Waiters } from "../log/waiters.js";
import { storeTimeout, storeTooOld, storeUnreachable } from "./store-errors.js";

export interface NatsLinkOptions {
	/** For instance `nats://10.0.0.1:4222`, `tls://…` with `tlsFolder`. */
	readonly servers: readonly string[];
	/** Shown by the server's monitoring. */
	readonly client: string;
	/** Folder with `ca.pem`, `cert.pem` and `key.pem`: TLS, and who this is. */
	readonly tlsFolder?: string | undefined;
	readonly clock?: Clock | undefined;
	readonly signal?: AbortSignal | undefined;
}

/** What psgl builds on, and the server version it came with. */
export const storeFeatures = [
	{ feature: "expected last sequence of a subject", since: "2.3.0" },
	{ feature: "streams that refuse what is over their limits", since: "2.2.0" },
	{ feature: "key-value buckets", since: "2.6.2" },
	{ feature: "pull requests bounded in bytes", since: "2.8.3" },
	{ feature: "consumers made by name with a place to start from", since: "2.9.0" },
] as const;

/** The connection to the servers of a store: comes back by itself, and says whether it is there. */
export class NatsLink implements AsyncDisposable {
	readonly connection: NatsConnection;
	readonly manager: JetStreamManager;
	readonly jetStream: JetStreamClient;
	readonly #waiters = new Waiters();
	/** Calls under way on the connection of now. */
	readonly #calls = new Set<(error: Error) => void>();
	#up = true;
	#troubledAt = Number.NEGATIVE_INFINITY;
	#closed = false;

	private constructor(connection: NatsConnection, manager: JetStreamManager) {
		this.connection = connection;
		this.manager = manager;
		this.jetStream = manager.jetstream();
		void this.#watch();
		// Also by itself, where servers turn it away for good: what waits for them must hear of it.
		void connection.closed().then(() => {
			this.#closed = true;
			this.#waiters.notify();
			this.#breakCalls();
		});
	}

	/**
	 * Connects, and checks the server's version.
	 * @throws ConnectionError `PSGL_STORE_UNREACHABLE`, `PSGL_STORE_TIMEOUT`; ConfigError `PSGL_STORE_VERSION`.
	 */
	static async open({ servers, client, tlsFolder, clock = systemClock, signal }: NatsLinkOptions): Promise<NatsLink> {
		let connection: NatsConnection;
		try {
			const tls = tlsFolder === undefined ? undefined : await tlsOptions(tlsFolder);
			connection = await connect({
				servers: [...servers],
				name: client,
				timeout: cloudLimits.storeConnectMs,
				maxReconnectAttempts: -1,
				reconnectTimeWait: cloudLimits.storeReconnectMs,
				pingInterval: cloudLimits.storePingMs,
				...(tls && { tls }),
			});
		} catch (error) {
			throw storeUnreachable(servers, error);
		}
		try {
			signal?.throwIfAborted();
			requireFeatures(connection.info?.version ?? "none");
			return new NatsLink(connection, await openManager(connection, clock, signal));
		} catch (error) {
			await connection.close();
			throw error;
		}
	}

	/** Whether `close` was called, or the servers do not take the client any more: it does not come back by itself. */
	get isClosed(): boolean {
		return this.#closed;
	}

	/** Milliseconds since a call got no answer, or a connection broke. */
	get calmMs(): number {
		return performance.now() - this.#troubledAt;
	}

	/** A call got no answer. */
	troubled(): void {
		this.#troubledAt = performance.now();
	}

	/** Resolves when there is a connection: what is sent without one would wait in memory. */
	async ready(signal?: AbortSignal): Promise<void> {
		while (!this.#up && !this.#closed) await this.#waiters.change(signal);
		if (this.#closed) throw logClosed();
	}

	/** Makes a call, and stops waiting for its answer when the connection it was made on breaks. @throws ConnectionError of NATS. */
	async call<T>(make: () => Promise<T>): Promise<T> {
		let onBreak: (error: Error) => void = () => undefined;
		const broken = new Promise<never>((_, reject) => {
			onBreak = reject;
		});
		this.#calls.add(onBreak);
		try {
			return await Promise.race([make(), broken]);
		} finally {
			this.#calls.delete(onBreak);
		}
	}

	async close(): Promise<void> {
		if (this.#closed) return;
		this.#closed = true;
		this.#waiters.notify();
		await this.connection.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	#breakCalls(): void {
		for (const onBreak of this.#calls) onBreak(new errors.ConnectionError("the connection broke"));
		this.#calls.clear();
	}

	async #watch(): Promise<void> {
		for await (const { type } of this.connection.status()) {
			if (type === "disconnect") {
				this.#up = false;
				this.troubled();
				this.#breakCalls();
			}
			if (type !== "reconnect") continue;
			this.#up = true;
			this.#waiters.notify();
		}
	}
}

/** Waits for JetStream's leader, which a cluster that just started has to elect. */
async function openManager(
	connection: NatsConnection,
	clock: Clock,
	signal: AbortSignal | undefined,
): Promise<JetStreamManager> {
	const deadline = clock.now() + cloudLimits.storeStartMs;
	for (;;) {
		try {
			return await jetstreamManager(connection, { timeout: cloudLimits.storeCallMs });
		} catch (error) {
			signal?.throwIfAborted();
			if (clock.now() >= deadline) {
				throw storeTimeout("JetStream is off, or has no leader", cloudLimits.storeStartMs, error);
			}
		}
		// A server whose JetStream is off says so at once.
		await clock.sleep(cloudLimits.storeRetryMs, signal);
	}
}

/** @throws ConfigError `PSGL_STORE_VERSION`. */
function requireFeatures(version: string): void {
	for (const { feature, since } of storeFeatures) {
		if (compareVersions(version, since) < 0) throw storeTooOld(version, feature, since);
	}
}

function compareVersions(a: string, b: string): number {
	const parts = (version: string) => version.split(/[.-]/).slice(0, 3).map(Number);
	const [left, right] = [parts(a), parts(b)];
	for (let i = 0; i < 3; i++) {
		const difference = (left[i] || 0) - (right[i] || 0);
		if (difference !== 0) return difference;
	}
	return 0;
}

async function tlsOptions(folder: string): Promise<NonNullable<NodeConnectionOptions["tls"]>> {
	const [ca, cert, key] = await Promise.all(
		["ca.pem", "cert.pem", "key.pem"].map((name) => readFile(join(folder, name), "utf8")),
	);
	return { ca, cert, key } as NonNullable<NodeConnectionOptions["tls"]>;
}
