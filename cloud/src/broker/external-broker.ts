import { ConnectionError, LimitError, type PsglError, systemClock } from "@psgl/sdk";
import {
	defaultReceiveLimits,
	deviceTopic,
	encodeEnvelope,
	everyDevice,
	identify,
	parseTopic,
	refuse,
} from "@psgl/sdk/protocol";
import mqtt, { type IPublishPacket, type MqttClient } from "mqtt";
import { cloudLimits as limits } from "../limits.js";
import { encodeEntry } from "../log/entry.js";
import type { Log, LogInlet } from "../log/log.js";
import type { Broker } from "./broker.js";

export interface ExternalBrokerOptions<L extends LogInlet = Log> {
	/** Of a broker such as Mosquitto, EMQX or HiveMQ: `mqtt://host:1883`, `mqtts://…` with `tls`. */
	readonly url: string;
	/** The same after a restart: the broker keeps what devices publish meanwhile under it. Default `psgl-cloud`. */
	readonly clientId?: string | undefined;
	readonly user?: { readonly name: string; readonly password: string } | undefined;
	/** In PEM. */
	readonly tls?: { readonly ca: string; readonly certificate: string; readonly key: string } | undefined;
	/** Several clients of one name share the devices' messages (MQTT 5 section 4.8.2); each needs a client id of its own. */
	readonly sharedName?: string | undefined;
	/** What devices publish is appended here before it is acknowledged. Closed with the connection. */
	readonly log: L;
	/** Longest payload taken from a device, bytes. Default 1,000,000. */
	readonly maxMessageBytes?: number | undefined;
	/** Something of a device's was refused, or the broker ended the connection; it comes back by itself. */
	readonly onRefused?: ((error: PsglError, device?: string) => void) | undefined;
}

/** A broker that somebody else runs, with the log of what its devices sent. Who may publish where is that broker's to check. */
export interface ExternalBroker<L extends LogInlet = Log>
	extends Pick<Broker<L>, "log" | "maxMessageBytes" | "send">,
		AsyncDisposable {
	close(): Promise<void>;
}

/**
 * Connects as a client with a session that lasts, at QoS 1: the broker keeps what is not acknowledged, and this acknowledges
 * what is in the log.
 * @throws ConnectionError `PSGL_EXTERNAL_BROKER` when it cannot be reached, refuses the client or its subscriptions; `PSGL_EXTERNAL_CLIENT` when another
 * client has its name.
 */
export async function connectExternalBroker<L extends LogInlet = Log>(
	options: ExternalBrokerOptions<L>,
): Promise<ExternalBroker<L>> {
	const { url, clientId = "psgl-cloud", user, tls, sharedName } = options;
	let client: MqttClient | undefined;
	try {
		client = mqtt.connect(url, {
			clientId,
			clean: false,
			protocolVersion: sharedName === undefined ? 4 : 5,
			...(sharedName !== undefined && { properties: { sessionExpiryInterval: sessionSeconds } }),
			...(user && { username: user.name, password: user.password }),
			...(tls && { ca: tls.ca, cert: tls.certificate, key: tls.key }),
			reconnectPeriod: limits.storeReconnectMs,
			connectTimeout: limits.connectTimeoutMs,
		});
		const broker = new MqttBroker(options, client);
		await connected(client, clientId);
		await settled(client, clientId);
		broker.open();
		const share = sharedName === undefined ? "" : `$share/${sharedName}/`;
		const topics = [`${share}${everyDevice("up")}`, `${share}${everyDevice("status")}`];
		const subscribing = client.subscribeAsync(topics, { qos: 1 });
		const granted = await subscribing.catch((cause: unknown) => {
			throw client?.connected ? cause : turnedAway(clientId);
		});
		if (granted.some(({ qos }) => qos > 2)) throw new Error("it refuses a subscription");
		return broker;
	} catch (cause) {
		await client?.endAsync(true);
		throw cause instanceof ConnectionError ? cause : externalBroker(url, cause);
	}
}

/**
 * Milliseconds a new client is watched. A broker ends the connection of a client when another one comes under its name [MQTT-3.1.4-2], and a
 * cloud that has run for a while takes its place back after `storeReconnectMs`: then the new one has no business there.
 */
const settleMs = 3 * limits.storeReconnectMs;

/** A session without a client that is kept: as long as a device's own outbox waits. */
const sessionSeconds = 7 * 24 * 3600;

class MqttBroker<L extends LogInlet> implements ExternalBroker<L> {
	readonly log: L;
	readonly maxMessageBytes: number;
	readonly #client: MqttClient;
	readonly #options: ExternalBrokerOptions<L>;
	readonly #sending = new Set<(sent: boolean) => void>();
	/** Takes what has come meanwhile. Until then nothing is acknowledged: it may be another cloud's. */
	open: () => void = () => undefined;

	constructor(options: ExternalBrokerOptions<L>, client: MqttClient) {
		this.#options = options;
		this.#client = client;
		this.log = options.log;
		this.maxMessageBytes = options.maxMessageBytes ?? limits.maxMessageBytes;
		const opened = new Promise<void>((resolve) => {
			this.open = resolve;
		});
		// Its callback is what sends PUBACK.
		client.handleMessage = (packet, done) => {
			const accepted = opened.then(() => this.#accept(packet));
			accepted.then(
				() => done(),
				// Not acknowledged: it comes again with the next connection.
				() => client.stream.destroy(),
			);
		};
		client.on("error", (error) => options.onRefused?.(externalBroker(options.url, error)));
	}

	/** Resolves with false when there is no connection. The broker keeps the message for a device that is away. */
	async send(device: string, payload: Uint8Array): Promise<boolean> {
		if (!this.#client.connected) return false;
		const published = this.#client.publishAsync(deviceTopic(device, "down"), Buffer.from(payload), { qos: 1 });
		return new Promise((resolve) => {
			const settle = (sent: boolean) => {
				this.#sending.delete(settle);
				resolve(sent);
			};
			this.#sending.add(settle);
			published.then(
				() => settle(true),
				() => settle(false),
			);
		});
	}

	async close(): Promise<void> {
		await this.#client.endAsync(true);
		// mqtt.js leaves open what was under way when it ends.
		for (const settle of this.#sending) settle(false);
		await this.log.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	/** Appends what a device published. What no device may publish is acknowledged, and goes no further. */
	async #accept({ topic, payload: content, qos }: IPublishPacket): Promise<void> {
		const parsed = parseTopic(topic);
		const payload = typeof content === "string" ? Buffer.from(content) : content;
		if (parsed === undefined || parsed.channel === "down" || qos === 0) return;
		const { device, channel } = parsed;
		const most = channel === "status" ? limits.maxStatusBytes : this.maxMessageBytes;
		try {
			if (payload.length > most) throw tooLong(device, payload.length, most);
			await this.log.append(encodeEntry({ device, channel, payload }));
		} catch (error) {
			if (!(error instanceof LimitError)) throw error;
			this.#options.onRefused?.(error, device);
			if (channel !== "up") return;
			const about = identify(payload, { ...defaultReceiveLimits, maxMessageBytes: this.maxMessageBytes });
			const again = error.code === "PSGL_JOURNAL_FULL";
			void this.send(device, encodeEnvelope(refuse(device, error, about, again)));
		}
	}
}

/** @throws ConnectionError `PSGL_EXTERNAL_CLIENT` when the broker ends the connection and says nothing; Error when it cannot be reached or says why. */
function connected(client: MqttClient, clientId: string): Promise<void> {
	return new Promise((resolve, reject) => {
		client.once("connect", () => resolve());
		client.once("error", reject);
		client.once("close", () => reject(turnedAway(clientId)));
	});
}

/** Resolves when the broker has left a new client its connection for a while. @throws ConnectionError `PSGL_EXTERNAL_CLIENT`. */
async function settled(client: MqttClient, clientId: string): Promise<void> {
	const ended = new AbortController();
	const onClose = () => ended.abort();
	client.once("close", onClose);
	await systemClock.sleep(settleMs, ended.signal).catch(() => undefined);
	client.off("close", onClose);
	if (ended.signal.aborted || !client.connected) throw turnedAway(clientId);
}

function turnedAway(clientId: string): ConnectionError {
	return new ConnectionError("PSGL_EXTERNAL_CLIENT", {
		what: "the broker ended the cloud's connection as soon as it was made",
		got: `client id ${clientId}`,
		expected: "an id that no other client of this broker has",
		remedy: "Give each cloud a --broker-client of its own; if there is only one, look why the broker turns it away",
	});
}

function externalBroker(url: string, cause: unknown): ConnectionError {
	return new ConnectionError("PSGL_EXTERNAL_BROKER", {
		what: `the broker at ${url.replace(/\/\/[^@/]*@/, "//")} cannot be used`,
		got: (cause as Error).message || String((cause as NodeJS.ErrnoException).code),
		remedy:
			"Check its address, the user and certificate, and that it lets this client subscribe to psgl/1/+/up and psgl/1/+/status",
		cause,
	});
}

function tooLong(device: string, got: number, most: number): LimitError {
	return new LimitError("PSGL_EXTERNAL_MESSAGE", {
		what: `device ${device} published a message that is too long`,
		got: `${got} bytes`,
		expected: `at most ${most} bytes`,
		remedy: "Set the broker's own limit of a message to this",
	});
}
