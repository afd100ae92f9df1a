import { type Clock, PsglError, systemClock } from "@psgl/sdk";
import { defaultReceiveLimits, deviceTopic, encodeEnvelope, identify, refuse } from "@psgl/sdk/protocol";
import type { Client, PublishPacket } from "aedes";
import { cloudLimits as limits } from "../limits.js";
import { encodeEntry } from "../log/entry.js";
import type { Log, LogInlet } from "../log/log.js";
import { createMemoryLog } from "../log/memory-log.js";
import { asked, replaced, slowClient, tooManySessions } from "./broker-errors.js";
import { flood } from "./byte-guard.js";
import { type Introduction, MqttServer } from "./mqtt-server.js";
import { publishChannel } from "./publish-rules.js";
import { SendWindow } from "./send-window.js";
import { type BrokerTls, type CheckedTls, checkTls, isLoopback, plainOutsideLoopback } from "./tls.js";
import { TokenBuckets } from "./token-bucket.js";
import { maySubscribe, refuseIntroduction, refuseSubscription, type UplinkChannel } from "./topic-rules.js";

/** Something an operator may want to see in a log. */
export type BrokerEvent =
	| { readonly type: "connected" | "disconnected"; readonly client: string }
	/** A connection, packet or topic was refused, or a connection broke. */
	| { readonly type: "refused"; readonly client: string | undefined; readonly peer: string; readonly error: PsglError };

export interface WebSocketOptions {
	/** Default 8083, 8084 with `tls`; 0 takes a free one. */
	readonly port?: number | undefined;
	/** Origins of the pages that may connect, for instance `https://ward.example`. Other programs than browsers name none and may. */
	readonly origins: readonly string[];
}

export interface BrokerOptions<L extends LogInlet = Log> {
	/** Default 127.0.0.1. */
	readonly host?: string;
	/** Default 1883, 8883 with `tls`; 0 takes a free one. */
	readonly port?: number | undefined;
	/** TLS 1.3 with device certificates. Left out, the broker speaks plain MQTT, and only on loopback. */
	readonly tls?: BrokerTls | undefined;
	/** Takes MQTT over WebSocket as well, for devices in browsers (MQTT 3.1.1 section 6). */
	readonly webSocket?: WebSocketOptions | undefined;
	/** Lets everyone who reaches the address in, unencrypted. Only for a network that is closed by other means. */
	readonly plainOutsideLoopback?: boolean | undefined;
	/** What devices publish is appended here before it is acknowledged. Default: a log in memory. Closed with the broker. */
	readonly log?: L;
	/** Longest payload taken from a device, bytes. Default 1,000,000. */
	readonly maxMessageBytes?: number;
	/** Open connections. Default 16,384. */
	readonly maxConnections?: number;
	/** Client ids with a session. Default 16,384. */
	readonly maxSessions?: number;
	readonly clock?: Clock;
	readonly onEvent?: (event: BrokerEvent) => void;
}

/** An MQTT 3.1.1 broker for psgl's topics. */
export interface Broker<L extends LogInlet = Log> extends AsyncDisposable {
	readonly host: string;
	readonly port: number;
	/** For clients on this machine, for instance `mqtt://127.0.0.1:1883`, `mqtts://` with TLS. */
	readonly url: string;
	/** For browsers, for instance `ws://127.0.0.1:8083/mqtt`; undefined without `webSocket`. */
	readonly webSocketUrl: string | undefined;
	readonly log: L;
	readonly maxMessageBytes: number;
	/** Whether a client of this id is connected. */
	isConnected(device: string): boolean;
	/**
	 * Publishes on a device's `down` topic at QoS 1, when the device has room for it. Resolves with false when the device
	 * is not connected, or was disconnected because it acknowledges nothing.
	 */
	send(device: string, payload: Uint8Array): Promise<boolean>;
	/** Ends a device's connection, if it has one; it may come back at once. */
	disconnect(device: string, why: string): void;
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
export function startBroker<L extends LogInlet>(options: BrokerOptions<L> & { readonly log: L }): Promise<Broker<L>>;
export function startBroker(options?: BrokerOptions): Promise<Broker>;
export async function startBroker(options: BrokerOptions<LogInlet> = {}): Promise<Broker<LogInlet>> {
	const { host = "127.0.0.1", tls } = options;
	if (tls === undefined && !isLoopback(host) && options.plainOutsideLoopback !== true) throw plainOutsideLoopback(host);
	const broker = new DeviceBroker(options, tls && (await checkTls(tls)));
	const [port, webSocketPort] = tls === undefined ? [1883, 8083] : [8883, 8084];
	await broker.listen(host, options.port ?? port, options.webSocket?.port ?? webSocketPort);
	return broker;
}

/** Messages a device may publish. */
const messageRate = { perSecond: limits.messagesPerSecond, burst: limits.messageBurst };

class DeviceBroker implements Broker<LogInlet> {
	readonly log: LogInlet;
	readonly maxMessageBytes: number;
	readonly #server: MqttServer;
	readonly #clock: Clock;
	readonly #onEvent: (event: BrokerEvent) => void;
	readonly #windows = new Map<string, { client: Client | undefined; window: SendWindow }>();
	readonly #maxSessions: number;
	readonly #messages: TokenBuckets;

	constructor(options: BrokerOptions<LogInlet>, tls: CheckedTls | undefined) {
		this.log = options.log ?? createMemoryLog();
		this.maxMessageBytes = options.maxMessageBytes ?? limits.maxMessageBytes;
		this.#maxSessions = options.maxSessions ?? limits.maxSessions;
		this.#messages = new TokenBuckets(messageRate, this.#maxSessions);
		this.#clock = options.clock ?? systemClock;
		this.#onEvent = options.onEvent ?? (() => undefined);
		this.#server = new MqttServer({
			rules: {
				refuseConnection: (introduction) => refuseIntroduction(introduction) ?? this.#welcome(introduction),
				publish: (client, packet) => this.#accept(client, packet),
				refuseSubscription,
				mayReceive: maySubscribe,
			},
			tls,
			webSocketOrigins: options.webSocket?.origins,
			maxConnections: options.maxConnections ?? limits.maxConnections,
			maxPacketBytes: this.maxMessageBytes + limits.packetOverheadBytes,
			clock: this.#clock,
			onRefused: (client, peer, error) => this.#onEvent({ type: "refused", client, peer, error }),
			onConnected: (client) => this.#connected(client),
			onDisconnected: (client) => this.#disconnected(client),
			onAcknowledged: ({ id }) => this.#windows.get(id)?.window.acknowledge(),
		});
	}

	get host(): string {
		return this.#server.listener.host;
	}

	get port(): number {
		return this.#server.listener.port;
	}

	get url(): string {
		return this.#server.listener.url;
	}

	get webSocketUrl(): string | undefined {
		return this.#server.webListener?.url;
	}

	async listen(host: string, port: number, webSocketPort: number): Promise<void> {
		try {
			await this.#server.listen(host, port, webSocketPort);
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
		if (await window.open(payload.length, limits.acknowledgeTimeoutMs, this.#clock)) {
			return this.#server.publish(deviceTopic(device, "down"), payload);
		}
		if (entry.client === client) {
			this.#server.disconnect(client, slowClient(`no acknowledgement for ${limits.acknowledgeTimeoutMs} ms`));
		}
		return false;
	}

	disconnect(device: string, why: string): void {
		const { client } = this.#windows.get(device) ?? {};
		if (client !== undefined) this.#server.disconnect(client, asked(device, why));
	}

	async renewTls(tls: BrokerTls): Promise<void> {
		const clients = [...this.#windows.values()].flatMap(({ client }) => client ?? []);
		await this.#server.renewTls(tls, clients);
	}

	async close(): Promise<void> {
		await this.#server.close();
		for (const { window } of this.#windows.values()) window.close();
		await this.log.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	/** Makes place for a connection: the one of the same id that is there ends. */
	#welcome({ clientId, peer }: Introduction) {
		const known = this.#windows.get(clientId);
		if (known === undefined && this.#windows.size >= this.#maxSessions) return tooManySessions(clientId);
		if (known?.client !== undefined) this.#server.disconnect(known.client, replaced(clientId, peer));
		return undefined;
	}

	/** Appends to the log before it is acknowledged; an error closes the connection, and the device sends again. */
	async #accept(client: Client | null, packet: PublishPacket): Promise<void> {
		const id = client?.id ?? "";
		const channel = publishChannel(id, packet);
		if (!this.#messages.take(id, this.#clock.now())) throw flood(messageRate, `device ${id}`);
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
		this.#server.refused(client, error);
		if (channel !== "up") return;
		const about = identify(payload, { ...defaultReceiveLimits, maxMessageBytes: this.maxMessageBytes });
		void this.send(client.id, encodeEnvelope(refuse(client.id, error, about, true)));
	}

	#connected(client: Client): void {
		const previous = this.#windows.get(client.id)?.window;
		// What was not acknowledged comes again on a kept session (MQTT 3.1.1 section 4.4).
		const window = new SendWindow(limits.maxUnacknowledgedBytes, client.clean ? undefined : previous);
		this.#windows.set(client.id, { client, window });
		this.#onEvent({ type: "connected", client: client.id });
	}

	#disconnected(client: Client): void {
		const entry = this.#windows.get(client.id);
		if (entry?.client !== client) return;
		entry.client = undefined;
		entry.window.close();
		if (client.clean) this.#windows.delete(client.id);
		this.#onEvent({ type: "disconnected", client: client.id });
	}
}
