import { deviceTimes } from "../device/device-times.js";
import { ConfigError } from "../errors.js";
import type { LastWill, Transport } from "../ports/transport.js";
import { openMqttLink } from "./mqtt-link.js";
import { ReconnectingTransport, type ReconnectOptions } from "./reconnecting-transport.js";

/** TLS settings, in PEM, as Node's `tls.connect` takes them. Browsers use their own. */
export interface TlsOptions {
	/** Certificates of the authorities to trust instead of the system's. */
	readonly ca?: string | undefined;
	/** The client's certificate and private key. */
	readonly cert?: string | undefined;
	readonly key?: string | undefined;
	/** Name in the broker's certificate, where it differs from the URL's host. */
	readonly servername?: string | undefined;
}

export interface MqttTransportOptions extends ReconnectOptions {
	/** `mqtt://host:port`, `mqtts://...`, `ws://.../path` or `wss://...`. */
	readonly url: string;
	/** Names the session that the broker keeps; a second client with the same id takes the first one's place. */
	readonly clientId: string;
	readonly lastWill?: LastWill | undefined;
	readonly username?: string | undefined;
	readonly password?: string | undefined;
	readonly tls?: TlsOptions | undefined;
	/** Seconds without traffic after which the client pings. Default 18, so that a frozen device is noticed within 30: the link counts as lost after 1.5 times that. */
	readonly keepAliveSeconds?: number | undefined;
	/** Milliseconds one attempt to connect may take. Default 10,000. */
	readonly attemptTimeoutMs?: number | undefined;
}

/**
 * Transport over MQTT 3.1.1 (TCP, TLS or WebSocket) with clean session off.
 * @throws ConfigError `PSGL_BROKER_URL` when the URL is none that MQTT is spoken over.
 */
export function mqttTransport(options: MqttTransportOptions): Transport {
	const { lastWill, username, password, tls = {} } = options;
	const target = checkUrl(options.url);
	const settings = {
		clientId: options.clientId,
		protocolVersion: 4,
		clean: false,
		keepalive: options.keepAliveSeconds ?? deviceTimes.keepAliveSeconds,
		connectTimeout: options.attemptTimeoutMs ?? 10_000,
		// The transport reconnects and resubscribes.
		reconnectPeriod: 0,
		resubscribe: false,
		...(username !== undefined && { username }),
		...(password !== undefined && { password }),
		minVersion: "TLSv1.3",
		...(tls.ca !== undefined && { ca: tls.ca }),
		...(tls.cert !== undefined && { cert: tls.cert }),
		...(tls.key !== undefined && { key: tls.key }),
		...(tls.servername !== undefined && { servername: tls.servername }),
		...(lastWill && { will: { ...lastWill, payload: lastWill.payload as Buffer, qos: 1 as const } }),
	} as const;
	return new ReconnectingTransport(
		target,
		(events, signal) => openMqttLink(options.url, target, settings, options.clock, events, signal),
		options,
	);
}

/** The URL without user and password, for messages. */
function checkUrl(url: string): string {
	const parsed = URL.canParse(url) ? new URL(url) : undefined;
	if (parsed !== undefined && /^(mqtts?|wss?):$/.test(parsed.protocol) && parsed.hostname !== "") {
		return `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
	}
	throw new ConfigError("PSGL_BROKER_URL", {
		what: "the broker's URL cannot be used",
		got: JSON.stringify(url),
		expected: "mqtt://, mqtts://, ws:// or wss:// and a host",
		remedy: "For instance mqtt://localhost:1883",
	});
}
