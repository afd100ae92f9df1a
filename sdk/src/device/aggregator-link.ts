import { PsglError } from "../errors.js";
import type { Clock } from "../ports/clock.js";
import type { LastWill, Transport, TransportEvent } from "../ports/transport.js";
import {
	type AggregatorMessage,
	areShort,
	ChunkAssembler,
	type DeviceMessage,
	defaultReceiveLimits,
	deviceTopic,
	encodeEnvelope,
	protocolLimits,
	type Received,
	type StatusMessage,
	splitIntoChunks,
} from "../protocol/index.js";

/** Milliseconds a device that leaves waits for the broker to take its goodbye. */
const goodbyeTimeoutMs = 2_000;

/** Messages that are deflated where it was agreed. Not `infer`: it is answered from a part where the rest was lost. */
const deflated: ReadonlySet<DeviceMessage["type"]> = new Set(["batch", "evaluate", "forward", "backward"]);

/** The retained message that tells everybody a device is gone. */
function offlineStatus(id: string, since: number): Uint8Array {
	return encodeEnvelope({ type: "status", device: id, state: "offline", since });
}

/** What the broker publishes when a device vanishes (docs/protocol.md). Give it to the transport of `Device.connect`. */
export function deviceLastWill(id: string, clock: Clock): LastWill {
	return { topic: deviceTopic(id, "status"), payload: offlineStatus(id, clock.now()), retain: true };
}

export interface AggregatorLinkOptions {
	readonly id: string;
	readonly transport: Transport;
	readonly clock: Clock;
	/** Longest MQTT payload the device accepts, bytes. */
	readonly maxMessageBytes: number;
	/** Takes one message; the next one comes when the promise settles. */
	readonly onMessage: (message: AggregatorMessage) => Promise<void>;
	/** What came in could not be read. */
	readonly onRejected: (error: PsglError) => void;
	readonly onEvent: (event: TransportEvent) => void;
	/** What the device's status tells besides that it is there. */
	readonly status: () => Pick<StatusMessage, "disclosure" | "paused" | "localAccuracy">;
}

/** A device's messages over a transport: envelopes, chunks, status, and a count of the bytes. */
export class AggregatorLink {
	readonly #options: AggregatorLinkOptions;
	readonly #assembler: ChunkAssembler<"aggregator">;
	/** When the connection was opened. */
	#since = 0;
	/** Longest MQTT payload that may be sent, bytes; `welcome` settles it. */
	maxMessageBytes: number = protocolLimits.minMessageBytes;
	/** Whether batches and weights travel deflated; `welcome` settles it. */
	deflates = false;
	/** Payload bytes sent. */
	bytesUp = 0;
	/** Payload bytes received. */
	bytesDown = 0;

	constructor(options: AggregatorLinkOptions) {
		this.#options = options;
		this.#assembler = new ChunkAssembler({
			from: "aggregator",
			device: options.id,
			clock: options.clock,
			limits: { ...defaultReceiveLimits, maxMessageBytes: options.maxMessageBytes },
			onExpired: ({ error }) => options.onRejected(error),
		});
	}

	get online(): boolean {
		return this.#options.transport.state === "online";
	}

	/** Resolves when the link is up for the first time. */
	async open(signal: AbortSignal | undefined): Promise<void> {
		const { transport, id, clock, onEvent } = this.#options;
		transport.on((event) => {
			// The last will has marked the device as gone, whichever connection it belonged to.
			if (event.type === "online") {
				this.#since = clock.now();
				this.announce();
			}
			onEvent(event);
		});
		await transport.subscribe(deviceTopic(id, "down"), ({ payload }) => this.#receive(payload), { signal });
		await transport.connect({ signal });
	}

	/**
	 * Sends a message after those before it; resolves when the broker has all of it. Waits for the link while it is down.
	 * @throws LimitError `PSGL_PROTOCOL_TOO_LARGE`; NumericError `PSGL_PROTOCOL_NOT_FINITE`; ConnectionError
	 * `PSGL_TRANSPORT_CLOSED`.
	 */
	async send(message: DeviceMessage): Promise<void> {
		const { id, transport } = this.#options;
		const topic = deviceTopic(id, "up");
		const pays = deflated.has(message.type) || (message.type === "weights" && areShort(message.tensors));
		const envelopes = splitIntoChunks(message, this.maxMessageBytes, { deflate: this.deflates && pays });
		for (const envelope of envelopes) this.bytesUp += envelope.byteLength;
		// A transport publishes in the order of the calls: waiting for acknowledgements would cost a way there and back for each message.
		await Promise.all(envelopes.map((envelope) => transport.publish(topic, envelope)));
	}

	/** Leaves: tells the aggregator and everybody else, if the link is up, and closes the transport. */
	async close(): Promise<void> {
		const { id, transport, clock } = this.#options;
		this.#assembler[Symbol.dispose]();
		if (this.online) {
			const gone = transport.publish(deviceTopic(id, "status"), offlineStatus(id, clock.now()), { retain: true });
			const goodbye = Promise.allSettled([this.send({ type: "bye", device: id, reason: "closed" }), gone]);
			// Without an answer the effect is the same: the broker publishes the last will.
			const stop = new AbortController();
			await Promise.race([goodbye, clock.sleep(goodbyeTimeoutMs, stop.signal).catch(() => {})]);
			stop.abort();
		}
		await transport.close();
	}

	/** Publishes the device's status: that it is there, what it has released, whether it pauses. */
	announce(): void {
		const { transport, id, status } = this.#options;
		const online = { type: "status", device: id, state: "online", since: this.#since } as const;
		const payload = encodeEnvelope({ ...online, ...status() });
		// Fails only when the device is closed, which announces the opposite.
		transport.publish(deviceTopic(id, "status"), payload, { retain: true }).catch(() => {});
	}

	async #receive(payload: Uint8Array): Promise<void> {
		this.bytesDown += payload.byteLength;
		let received: Received<AggregatorMessage> | undefined;
		try {
			received = this.#assembler.accept(payload);
		} catch (error) {
			if (!(error instanceof PsglError)) throw error;
			return this.#options.onRejected(error);
		}
		if (received !== undefined) await this.#options.onMessage(received.message);
	}
}
