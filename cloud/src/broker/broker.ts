import { createRequire } from "node:module";
import { type Clock, LimitError, PsglError, systemClock } from "@psgl/sdk";
import { defaultReceiveLimits, deviceTopic, encodeEnvelope, identify, refuse } from "@psgl/sdk/protocol";
import { Aedes, type AuthenticateError, type Client, type PublishPacket, type Subscription } from "aedes";
import type { AedesPersistence } from "aedes-persistence";
import { cloudLimits as limits } from "../limits.js";
import { encodeEntry } from "../log/entry.js";
import type { Log } from "../log/log.js";
import { createMemoryLog } from "../log/memory-log.js";
import { GuardedConnection } from "./guarded-connection.js";
import { Listener } from "./listener.js";
import { publishChannel } from "./publish-rules.js";
import { SendWindow } from "./send-window.js";
import { type BrokerTls, type CheckedTls, checkTls, isLoopback, plainOutsideLoopback, revokedError } from "./tls.js";
import { denied, isDeviceId, mayLeaveWill, maySubscribe, type UplinkChannel } from "./topic-rules.js";

// Its types declare a default export that the CommonJS module does not have.
const memoryPersistence = createRequire(import.meta.url)("aedes-persistence") as () => AedesPersistence;

/** Something an operator may want to see in a log. */
export type BrokerEvent =
	| { readonly type: "connected" | "disconnected"; readonly client: string }
	/** A connection, packet or topic was refused, or a connection broke. */
	| { readonly type: "refused"; readonly client: string | undefined; readonly peer: string; readonly error: Error };

export interface BrokerOptions {
	/** Default 127.0.0.1. */
	readonly host?: string;
	/** Default 1883, 8883 with `tls`; 0 takes a free one. */
	readonly port?: number | undefined;
	/** TLS 1.3 with device certificates. Left out, the broker speaks plain MQTT, and only on loopback. */
	readonly tls?: BrokerTls | undefined;
	/** Lets everyone who reaches the address in, unencrypted. Only for a network that is closed by other means. */
	readonly plainOutsideLoopback?: boolean | undefined;
	/** What devices publish is appended here before it is acknowledged. Default: a log in memory. Closed with the broker. */
	readonly log?: Log;
	/** Longest payload taken from a device, bytes. Default 1,000,000. */
	readonly maxMessageBytes?: number;
	/** Open connections. Default 4096. */
	readonly maxConnections?: number;
	readonly clock?: Clock;
	readonly onEvent?: (event: BrokerEvent) => void;
}

/** An MQTT 3.1.1 broker for psgl's topics. */
export interface Broker extends AsyncDisposable {
	readonly host: string;
	readonly port: number;
	/** For clients on this machine, for instance `mqtt://127.0.0.1:1883`, `mqtts://` with TLS. */
	readonly url: string;
	readonly log: Log;
	readonly maxMessageBytes: number;
	/** Whether a client of this id is connected. */
	isConnected(device: string): boolean;
	/**
	 * Publishes on a device's `down` topic at QoS 1, when the device has room for it. Resolves with false when the device
	 * is not connected, or was disconnected because it acknowledges nothing.
	 */
	send(device: string, payload: Uint8Array): Promise<boolean>;
	/**
	 * Takes up renewed certificates and another revocation list; devices whose certificate is revoked now are disconnected.
	 * @throws ConfigError `PSGL_TLS_FILES`, and the old ones stay in force.
	 */
	renewTls(tls: BrokerTls): Promise<void>;
	/** Disconnects everyone, stops listening and closes the log. */
	close(): Promise<void>;
}

/**
 * Starts a broker on TCP, with TLS when it gets certificates.
 * @throws ConfigError `PSGL_PLAIN_OUTSIDE_LOOPBACK`, `PSGL_TLS_FILES`; ConnectionError `PSGL_PORT_IN_USE`,
 * `PSGL_BROKER_LISTEN`.
 */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
	const { host = "127.0.0.1", tls } = options;
	if (tls === undefined && !isLoopback(host) && options.plainOutsideLoopback !== true) throw plainOutsideLoopback(host);
	const broker = new AedesBroker(options, tls && (await checkTls(tls)));
	await broker.listen(host, options.port ?? (tls === undefined ? 1883 : 8883));
	return broker;
}

class AedesBroker implements Broker {
	readonly log: Log;
	readonly maxMessageBytes: number;
	readonly #listener: Listener;
	readonly #persistence = memoryPersistence();
	readonly #aedes: Aedes;
	readonly #clock: Clock;
	readonly #onEvent: (event: BrokerEvent) => void;
	readonly #windows = new Map<string, { client: Client | undefined; window: SendWindow }>();

	constructor(options: BrokerOptions, tls: CheckedTls | undefined) {
		this.log = options.log ?? createMemoryLog();
		this.maxMessageBytes = options.maxMessageBytes ?? limits.maxMessageBytes;
		this.#clock = options.clock ?? systemClock;
		this.#onEvent = options.onEvent ?? (() => undefined);
		this.#aedes = new Aedes({
			persistence: this.#persistence,
			connectTimeout: limits.connectTimeoutMs,
			drainTimeout: limits.drainTimeoutMs,
			maxClientsIdLength: 64,
			preConnect: (_client, packet, done) => {
				const { clientId, will } = packet;
				if (will !== undefined && !mayLeaveWill(clientId, will.topic)) {
					done(denied(clientId, "leave a will on", will.topic), false);
				} else done(null, clientId !== "");
			},
			authenticate: (client, _user, _password, done) => {
				const error = this.#admit(client);
				done(error ?? null, error === undefined);
			},
			authorizePublish: (client, packet, done) => {
				this.#accept(client, packet).then(() => done(null), done);
			},
			authorizeSubscribe: (client, subscription, done) => {
				const allowed = maySubscribe(client.id, subscription.topic);
				if (!allowed) this.#refused(client, denied(client.id, "subscribe to", subscription.topic));
				// Answered with return code 128 in SUBACK (MQTT 3.1.1 section 3.9.3).
				done(null, allowed ? subscription : null);
			},
			authorizeForward: (client, packet) => (maySubscribe(client.id, packet.topic) ? packet : null),
		});
		this.#listener = new Listener({
			tls,
			maxConnections: options.maxConnections ?? limits.maxConnections,
			maxPacketBytes: this.maxMessageBytes + limits.packetOverheadBytes,
			clock: this.#clock,
			onConnection: (connection) => this.#aedes.handle(connection),
			onRefused: (peer, error) => this.#onEvent({ type: "refused", client: undefined, peer, error }),
		});
		this.#watch();
	}

	get host(): string {
		return this.#listener.host;
	}

	get port(): number {
		return this.#listener.port;
	}

	get url(): string {
		return this.#listener.url;
	}

	async listen(host: string, port: number): Promise<void> {
		await this.#aedes.listen();
		try {
			await this.#listener.listen(host, port);
		} catch (error) {
			await this.close();
			throw error;
		}
	}

	isConnected(device: string): boolean {
		return this.#windows.get(device)?.client !== undefined;
	}

	async send(device: string, payload: Uint8Array): Promise<boolean> {
		const entry = this.#windows.get(device);
		if (entry?.client === undefined) return false;
		const { client, window } = entry;
		if (!(await window.open(payload.length, limits.acknowledgeTimeoutMs, this.#clock))) {
			if (entry.client === client) this.#dropSlow(client);
			return false;
		}
		const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
		return new Promise((resolve) => {
			this.#aedes.publish(
				{ cmd: "publish", topic: deviceTopic(device, "down"), payload: bytes, qos: 1, retain: false, dup: false },
				(error) => resolve(error === undefined || error === null),
			);
		});
	}

	async renewTls(tls: BrokerTls): Promise<void> {
		await this.#listener.renewTls(tls);
		for (const { client } of this.#windows.values()) {
			const connection = client?.conn;
			if (connection instanceof GuardedConnection && connection.identity && this.#listener.isRevoked(connection)) {
				this.#refused(client as Client, revokedError(connection.identity));
				client?.close();
			}
		}
	}

	async close(): Promise<void> {
		const stopped = this.#listener.close();
		await new Promise<void>((resolve) => this.#aedes.close(() => resolve()));
		for (const { window } of this.#windows.values()) window.close();
		await stopped;
		await this.log.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	#admit({ id: client, conn }: Client): AuthenticateError | undefined {
		if (!isDeviceId(client)) return refusal(2, `client id ${JSON.stringify(client.slice(0, 80))} is no device id`);
		const identity = conn instanceof GuardedConnection ? conn.identity : undefined;
		if (identity !== undefined && identity.device !== client) {
			return refusal(5, `client id ${client} is not the device its certificate names, ${identity.device}`);
		}
		if (this.#windows.has(client) || this.#windows.size < limits.maxSessions) return undefined;
		return refusal(3, `the broker has ${limits.maxSessions} sessions, its limit`);
	}

	/** Appends to the log before aedes acknowledges; an error closes the connection, and the device sends again. */
	async #accept(client: Client | null, packet: PublishPacket): Promise<void> {
		const id = client?.id ?? "";
		const channel = publishChannel(id, packet);
		const payload = packet.payload as Buffer;
		try {
			await this.log.append(encodeEntry({ device: id, channel, payload }));
		} catch (error) {
			if (!(error instanceof PsglError) || error.code !== "PSGL_JOURNAL_FULL") throw error;
			this.#turnAway(client as Client, channel, payload, error);
		}
	}

	/**
	 * There is no room for a message. It is acknowledged all the same, since MQTT 3.1.1 has no refusal but to disconnect; the
	 * device keeps it until its answer, and this one says to send it again.
	 */
	#turnAway(client: Client, channel: UplinkChannel, payload: Uint8Array, error: PsglError): void {
		this.#refused(client, error);
		if (channel !== "up") return;
		const about = identify(payload, { ...defaultReceiveLimits, maxMessageBytes: this.maxMessageBytes });
		void this.send(client.id, encodeEnvelope(refuse(client.id, error, about, true)));
	}

	#watch(): void {
		const aedes = this.#aedes;
		aedes.on("client", (client) => {
			const previous = this.#windows.get(client.id)?.window;
			// What was not acknowledged comes again on a kept session (MQTT 3.1.1 section 4.4).
			const window = new SendWindow(limits.maxUnacknowledgedBytes, client.clean ? undefined : previous);
			this.#windows.set(client.id, { client, window });
			this.#onEvent({ type: "connected", client: client.id });
		});
		aedes.on("clientDisconnect", (client) => {
			const entry = this.#windows.get(client.id);
			if (entry?.client !== client) return;
			entry.client = undefined;
			entry.window.close();
			if (client.clean) this.#windows.delete(client.id);
			this.#onEvent({ type: "disconnected", client: client.id });
		});
		aedes.on("ack", (_packet, client) => this.#windows.get(client.id)?.window.acknowledge());
		aedes.on("clientError", (client, error) => this.#refused(client, error));
		aedes.on("connectionError", (client, error) => this.#refused(client, error));
		aedes.on("subscribe", (subscriptions, client) => {
			// aedes keeps refused subscriptions of a packet that also holds an allowed one.
			const refused = subscriptions.filter((s) => !maySubscribe(client.id, s.topic));
			if (refused.length > 0) this.#forget(client, refused);
		});
	}

	#forget(client: Client, subscriptions: readonly Subscription[]): void {
		// The types say subscriptions where the function takes topics.
		const topics = subscriptions.map((s) => s.topic) as unknown as Subscription[];
		this.#persistence.removeSubscriptions(client, topics, () => undefined);
	}

	#dropSlow(client: Client): void {
		const error = new LimitError("PSGL_BROKER_SLOW_CLIENT", {
			what: `client ${client.id} does not acknowledge what it is sent`,
			got: `nothing for ${limits.acknowledgeTimeoutMs} ms`,
			remedy: "Check the device; it may connect again",
		});
		this.#refused(client, error);
		client.close();
	}

	#refused(client: Client, error: Error): void {
		const peer = client.conn instanceof GuardedConnection ? client.conn.peer : "unknown";
		this.#onEvent({ type: "refused", client: client.id ?? undefined, peer, error });
	}
}

/** An error that aedes turns into a CONNACK return code (MQTT 3.1.1 section 3.2.2.3). */
function refusal(returnCode: 2 | 3 | 5, message: string): AuthenticateError {
	return Object.assign(new Error(message), { returnCode });
}
