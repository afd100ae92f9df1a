import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import { ConnectionError } from "../errors.js";
import type { Clock } from "../ports/clock.js";
import type { Link, LinkEvents } from "./link.js";

/** Milliseconds `close` waits for the connection to end in good order. */
const closeTimeoutMs = 1000;

/** CONNACK return codes that another attempt does not change (MQTT 3.1.1 section 3.2.2.3): all but 3, server unavailable. */
const finalReturnCodes: ReadonlySet<unknown> = new Set([1, 2, 4, 5]);

/** What OpenSSL calls a certificate that is not good now: the broker's, or this machine's clock, is wrong. */
const clockCodes: ReadonlySet<unknown> = new Set(["CERT_NOT_YET_VALID", "CERT_HAS_EXPIRED"]);

/**
 * Opens one MQTT connection. mqtt.js is used for one connection at a time: its own reconnection keeps unacknowledged
 * messages in a store it can lose them from, so the transport above keeps them.
 */
export function openMqttLink(
	url: string,
	/** The URL for messages: without secrets. */
	target: string,
	options: IClientOptions,
	clock: Clock,
	events: LinkEvents,
	signal: AbortSignal,
): Promise<Link> {
	return new Promise((resolve, reject) => {
		signal.throwIfAborted();
		// Without it the library keeps a Buffer for each of 65,536 numbers: 6 MiB on an idle device, and the time to make them.
		const client = mqtt.connect(url, { ...options, writeCache: false });
		const link = new MqttLink(client, clock);
		const abort = () => client.end(true);
		signal.addEventListener("abort", abort, { once: true });
		let failure: unknown;
		client.handleMessage = ({ topic, payload, retain }, done) => {
			events.message(topic, payload as Buffer, retain);
			done();
		};
		client.on("error", (error) => {
			failure = error;
		});
		client.once("connect", ({ sessionPresent }) => {
			signal.removeEventListener("abort", abort);
			link.sessionPresent = sessionPresent;
			sendAtOnce(client.stream);
			resolve(link);
		});
		client.once("close", () => {
			signal.removeEventListener("abort", abort);
			const error = openError(target, failure);
			// Both, because it can close before or after it was open; the one that does not apply has no effect.
			events.lost(failure === undefined ? "connection closed" : error.message);
			reject(error);
			link.fail(error);
		});
	});
}

/**
 * Turns Nagle's algorithm (RFC 896) off: a batch that follows an acknowledgement would wait for the broker's delayed one,
 * 40 ms a step (measured). mqtt.js does not let it be set, and WebSocket streams have no such switch.
 */
function sendAtOnce(stream: MqttClient["stream"]): void {
	if ("setNoDelay" in stream && typeof stream.setNoDelay === "function") stream.setNoDelay(true);
}

class MqttLink implements Link {
	sessionPresent = false;
	readonly #client: MqttClient;
	readonly #clock: Clock;
	readonly #waiting = new Set<(error: Error) => void>();
	readonly #ended = new AbortController();
	#lost: Error | undefined;

	constructor(client: MqttClient, clock: Clock) {
		this.#client = client;
		this.#clock = clock;
	}

	fail(error: Error): void {
		this.#lost = error;
		this.#ended.abort();
		for (const reject of this.#waiting) reject(error);
	}

	publish(topic: string, payload: Uint8Array, retain: boolean): Promise<void> {
		return this.#untilLost((resolve, reject) => {
			// mqtt.js only measures and writes the payload, for which any Uint8Array does; browsers have no Buffer.
			this.#client.publish(topic, payload as Buffer, { qos: 1, retain }, (error) =>
				error ? reject(error) : resolve(),
			);
		});
	}

	subscribe(filter: string): Promise<void> {
		return this.#untilLost((resolve, reject) => {
			this.#client.subscribe(filter, { qos: 1 }, (error, granted) => {
				// A failure is return code 0x80 in SUBACK (MQTT 3.1.1 section 3.9.3).
				const refused = granted?.some(({ qos }) => qos > 2) || (error !== null && "packet" in error && error.packet);
				if (refused) reject(subscribeError(filter, error));
				else if (error) reject(error);
				else resolve();
			});
		});
	}

	async close(): Promise<void> {
		if (this.#lost !== undefined) return;
		const ended = this.#client.endAsync();
		// A peer that no longer answers must not hold the device up.
		await Promise.race([ended, this.#clock.sleep(closeTimeoutMs, this.#ended.signal).catch(() => {})]);
		this.#client.stream.destroy();
	}

	/** mqtt.js forgets what was not acknowledged when a connection is lost, so that is told here. */
	#untilLost(start: (resolve: () => void, reject: (error: unknown) => void) => void): Promise<void> {
		return new Promise((resolve, reject) => {
			if (this.#lost !== undefined) throw this.#lost;
			this.#waiting.add(reject);
			const settle = (end: () => void) => {
				this.#waiting.delete(reject);
				end();
			};
			start(
				() => settle(resolve),
				(error) => settle(() => reject(error)),
			);
		});
	}
}

function openError(target: string, cause: unknown): ConnectionError {
	const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
	const got = cause instanceof Error ? cause.message || String(code) : "the connection was closed";
	if (finalReturnCodes.has(code)) {
		return new ConnectionError("PSGL_BROKER_REFUSED", {
			what: `the broker at ${target} refuses the client`,
			got,
			remedy: "Check the client id, user name, password and certificate",
			cause,
		});
	}
	return new ConnectionError("PSGL_BROKER_UNREACHABLE", {
		what: `no connection to the broker at ${target}`,
		got,
		remedy: clockCodes.has(code)
			? "Set this machine's clock; if it is right, renew the broker's certificate: psgl provision init --renew"
			: "Check that the broker runs, its address and port, and the way to it",
		cause,
	});
}

function subscribeError(filter: string, cause: unknown): ConnectionError {
	return new ConnectionError("PSGL_SUBSCRIBE_REFUSED", {
		what: `the broker refuses the subscription to ${filter}`,
		remedy: "Check the access rules for this client id",
		cause,
	});
}
