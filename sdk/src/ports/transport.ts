/** A message that came in on a subscription. */
export interface TransportMessage {
	readonly topic: string;
	readonly payload: Uint8Array;
	/** True when the broker had kept the message before the subscription was made (MQTT 3.1.1 section 3.3.1.3). */
	readonly retained: boolean;
}

/** What happens to the link. */
export type TransportEvent =
	/** `sessionPresent`: the broker kept this client's subscriptions and queue (MQTT 3.1.1 section 3.2.2.2). */
	| { readonly type: "online"; readonly sessionPresent: boolean }
	| { readonly type: "offline"; readonly reason: string }
	/** The next attempt to connect starts after `delayMs`. */
	| { readonly type: "retry"; readonly attempt: number; readonly delayMs: number; readonly reason: string }
	/** A message handler threw or rejected; the message counts as delivered. */
	| { readonly type: "handler-failed"; readonly topic: string; readonly error: unknown };

/** The last message of a client that vanishes, published by the broker (MQTT 3.1.1 section 3.1.2.5). */
export interface LastWill {
	readonly topic: string;
	readonly payload: Uint8Array;
	readonly retain: boolean;
}

export interface PublishOptions {
	/** Ask the broker to keep the message for later subscribers. Default false. */
	readonly retain?: boolean;
	/** Stops waiting for the acknowledgement. The message may still arrive. */
	readonly signal?: AbortSignal | undefined;
}

export interface WaitOptions {
	readonly signal?: AbortSignal | undefined;
}

/**
 * Handles one message. Handlers run one after the other, in the order of arrival: a handler may publish and wait for
 * the acknowledgement, but must not wait for another message. The broker counts a message as delivered when the
 * transport has it, so what a handler loses in a crash has to be asked for again.
 */
export type MessageHandler = (message: TransportMessage) => void | Promise<void>;

/**
 * Port to a publish/subscribe link with QoS 1 and a session that outlives the connection: what was published while
 * the link was down is sent, and what was missed is received, after the next connect, at least once and in order.
 */
export interface Transport extends AsyncDisposable {
	readonly state: "new" | "connecting" | "online" | "offline" | "closed";
	/**
	 * Resolves when the link is up for the first time. Afterwards the transport reconnects by itself until `close`.
	 * A failed or aborted `connect` closes the transport.
	 * @throws ConnectionError `PSGL_BROKER_UNREACHABLE` when the transport's deadline passes first, `PSGL_BROKER_REFUSED`
	 * when the broker rejects the client, `PSGL_SUBSCRIBE_REFUSED` when it rejects a filter, `PSGL_TRANSPORT_CLOSED`
	 * after `close`.
	 */
	connect(options?: WaitOptions): Promise<void>;
	/**
	 * Publishes at QoS 1; resolves when the broker has acknowledged. While the link is down the message waits in memory.
	 * @throws ConnectionError `PSGL_TRANSPORT_CLOSED` when the transport is closed before that; LimitError
	 * `PSGL_TRANSPORT_QUEUE` when too many bytes wait.
	 */
	publish(topic: string, payload: Uint8Array, options?: PublishOptions): Promise<void>;
	/**
	 * Subscribes at QoS 1; `filter` may hold MQTT wildcards, one handler a filter. Resolves when the broker has
	 * acknowledged, or at once while the link is down: then it is made at the next connect. Subscribe before `connect`
	 * to miss nothing that the broker kept for this client.
	 * @throws ConnectionError `PSGL_SUBSCRIBE_REFUSED`, `PSGL_TRANSPORT_CLOSED`.
	 */
	subscribe(filter: string, handler: MessageHandler, options?: WaitOptions): Promise<void>;
	/** Calls `listener` for every event; returns what stops that. */
	on(listener: (event: TransportEvent) => void): () => void;
	/** Disconnects, so that the broker does not publish the last will. Publishes that wait are rejected. */
	close(): Promise<void>;
}
