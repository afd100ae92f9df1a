import type { Clock, PsglError } from "@psgl/sdk";
import { Aedes, type AuthenticateError, type Client, type PublishPacket, type Subscription } from "aedes";
import { cloudLimits as limits } from "../limits.js";
import { badClientId, connectionFault } from "./broker-errors.js";
import { peerOf } from "./guard-connection.js";
import { Listener, type ListenerOptions } from "./listener.js";
import { createSessionStore } from "./session-store.js";
import { type BrokerTls, type CheckedTls, type PeerIdentity, revokedError } from "./tls.js";

/** What a connection says of itself. */
export interface Introduction {
	readonly clientId: string;
	readonly willTopic: string | undefined;
	/** By its certificate; undefined on the plain port. */
	readonly identity: PeerIdentity | undefined;
	/** `address:port` it comes from. */
	readonly peer: string;
}

/** Who may do what. Everything else is as MQTT 3.1.1 has it. */
export interface AccessRules {
	/** Why a connection is turned away, with its return code. */
	refuseConnection(introduction: Introduction): AuthenticateError | undefined;
	/** Awaited before a message is acknowledged; an error ends the connection. `client` is undefined for a will left behind. */
	publish(client: Client | null, packet: PublishPacket): Promise<void>;
	/** Why a subscription is refused. */
	refuseSubscription(client: string, filter: string): PsglError | undefined;
	mayReceive(client: string, topic: string): boolean;
}

export interface MqttServerOptions {
	readonly rules: AccessRules;
	/** Left out: plain TCP. */
	readonly tls: CheckedTls | undefined;
	readonly maxConnections: number;
	/** Longest MQTT packet, bytes, fixed header included. */
	readonly maxPacketBytes: number;
	/** Takes MQTT over WebSocket on a second port, from pages of these origins (MQTT 3.1.1 section 6). */
	readonly webSocketOrigins: readonly string[] | undefined;
	/** Milliseconds until CONNECT has arrived, and that a socket may stay full. Default: `cloudLimits`. */
	readonly connectTimeoutMs?: number | undefined;
	readonly drainTimeoutMs?: number | undefined;
	readonly clock: Clock;
	/** A connection, packet or topic was refused, or a connection broke. */
	readonly onRefused: (client: string | undefined, peer: string, error: PsglError) => void;
	readonly onConnected: (client: Client) => void;
	readonly onDisconnected: (client: Client) => void;
	/** A client acknowledged what it was sent. */
	readonly onAcknowledged: (client: Client) => void;
}

/** MQTT 3.1.1 on TCP, TLS or WebSocket: sessions, wills, retained messages and three qualities of service, under rules. */
export class MqttServer {
	readonly listener: Listener;
	readonly webListener: Listener | undefined;
	readonly #options: MqttServerOptions;
	readonly #sessions = createSessionStore();
	readonly #aedes: Aedes;
	/** Why connections are to be turned away: known from CONNECT, said in CONNACK. */
	readonly #unwelcome = new WeakMap<Client, AuthenticateError>();
	/** Connections whose end was told. */
	readonly #ended = new WeakSet<Client>();

	constructor(options: MqttServerOptions) {
		const { tls, maxConnections, maxPacketBytes, webSocketOrigins, clock, onRefused, rules } = options;
		this.#options = options;
		this.#aedes = new Aedes({
			persistence: this.#sessions.persistence,
			connectTimeout: options.connectTimeoutMs ?? limits.connectTimeoutMs,
			drainTimeout: options.drainTimeoutMs ?? limits.drainTimeoutMs,
			maxClientsIdLength: 64,
			maxTopicLevels: limits.maxTopicLevels,
			preConnect: (client, { clientId, clean, will }, done) => {
				const { identity } = peerOf(client.conn) ?? {};
				// A session without a name cannot be found again [MQTT-3.1.3-8].
				const nameless = clientId === "" && clean !== true;
				const error = nameless
					? badClientId(clientId)
					: rules.refuseConnection({ clientId, willTopic: will?.topic, identity, peer: addressOf(client) });
				if (error !== undefined) this.#unwelcome.set(client, error);
				done(null, true);
			},
			authenticate: (client, _user, _password, done) => {
				const error = this.#unwelcome.get(client);
				done(error ?? null, error === undefined);
			},
			authorizePublish: (client, packet, done) => {
				// Whether it was sent again is between this client and the server [MQTT-3.3.1-3].
				packet.dup = false;
				rules.publish(client, packet).then(() => done(null), done);
			},
			authorizeSubscribe: (client, subscription, done) => {
				const error = rules.refuseSubscription(client.id, subscription.topic);
				if (error !== undefined) this.refused(client, error);
				// Answered with return code 128 in SUBACK (MQTT 3.1.1 section 3.9.3).
				done(null, error === undefined ? subscription : null);
			},
			authorizeForward: (client, packet) => (rules.mayReceive(client.id, packet.topic) ? packet : null),
		});
		const listening: ListenerOptions = {
			tls,
			maxConnections,
			maxPacketBytes,
			connectTimeoutMs: options.connectTimeoutMs,
			clock,
			onConnection: (connection) => this.#aedes.handle(connection),
			onRefused: (peer, error) => onRefused(undefined, peer, error),
		};
		this.listener = new Listener(listening);
		this.webListener = webSocketOrigins && new Listener({ ...listening, webSocketOrigins });
		this.#watch();
	}

	/** @throws ConnectionError `PSGL_PORT_IN_USE`, `PSGL_BROKER_LISTEN`. */
	async listen(host: string, port: number, webSocketPort: number): Promise<void> {
		await this.#aedes.listen();
		await this.listener.listen(host, port);
		await this.webListener?.listen(host, webSocketPort);
	}

	/** Publishes at QoS 1. Resolves with false when that failed. */
	publish(topic: string, payload: Uint8Array): Promise<boolean> {
		const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
		return new Promise((resolve) => {
			this.#aedes.publish({ cmd: "publish", topic, payload: bytes, qos: 1, retain: false, dup: false }, (error) =>
				resolve(error === undefined || error === null),
			);
		});
	}

	/**
	 * Takes up other certificates, and disconnects those of `clients` whose certificate is revoked now.
	 * @throws ConfigError `PSGL_TLS_FILES`, and the old ones stay in force.
	 */
	async renewTls(tls: BrokerTls, clients: Iterable<Client>): Promise<void> {
		await this.listener.renewTls(tls);
		await this.webListener?.renewTls(tls);
		for (const client of clients) {
			const { identity } = peerOf(client.conn) ?? {};
			if (identity !== undefined && this.listener.isRevoked(identity)) this.disconnect(client, revokedError(identity));
		}
	}

	/** Ends a connection, and tells why. */
	disconnect(client: Client, error: PsglError): void {
		this.#end(client, error);
		client.close();
	}

	/** Tells that something of a client's was refused. */
	refused(client: Client, error: PsglError): void {
		this.#options.onRefused(client.id ?? undefined, addressOf(client), error);
	}

	/** Disconnects everyone and stops listening. */
	async close(): Promise<void> {
		const stopped = Promise.all([this.listener.close(), this.webListener?.close()]);
		await new Promise<void>((resolve) => this.#aedes.close(() => resolve()));
		await stopped;
	}

	#watch(): void {
		const aedes = this.#aedes;
		const { onConnected, onDisconnected, onAcknowledged, onRefused, rules } = this.#options;
		aedes.on("client", onConnected);
		aedes.on("clientDisconnect", onDisconnected);
		aedes.on("ack", (_packet, client) => onAcknowledged(client));
		aedes.on("clientError", (client, error) => this.#end(client, connectionFault(error)));
		aedes.on("connectionError", (client, error) => this.#end(client, connectionFault(error)));
		// Of wills it finds left behind; without a listener it would end the process.
		(aedes as NodeJS.EventEmitter).on("error", (error: Error) => onRefused(undefined, "", connectionFault(error)));
		aedes.on("subscribe", (subscriptions, client) => {
			// aedes keeps refused subscriptions of a packet that also holds an allowed one.
			const refused = subscriptions.filter((s) => rules.refuseSubscription(client.id, s.topic) !== undefined);
			if (refused.length > 0) this.#forget(client, refused);
		});
	}

	/** A connection ends for one reason: what follows from it is not told. */
	#end(client: Client, error: PsglError): void {
		if (this.#ended.has(client)) return;
		this.#ended.add(client);
		this.refused(client, error);
	}

	#forget(client: Client, refused: readonly Subscription[]): void {
		const topics = refused.map((s) => s.topic);
		this.#sessions.forget(client, topics).catch((error: Error) => this.disconnect(client, connectionFault(error)));
	}
}

function addressOf({ conn }: Client): string {
	return peerOf(conn)?.address ?? "unknown";
}
