/** What a connection reports while it lasts. */
export interface LinkEvents {
	message(topic: string, payload: Uint8Array, retained: boolean): void;
	/** The connection is gone; nothing is reported after this. */
	lost(reason: string): void;
}

/** One connection to a broker, from CONNACK until it is lost. Everything on it fails when it is lost. */
export interface Link {
	/** The broker kept this client's subscriptions and queue. */
	readonly sessionPresent: boolean;
	/** Resolves at PUBACK. */
	publish(topic: string, payload: Uint8Array, retain: boolean): Promise<void>;
	/**
	 * Resolves at SUBACK.
	 * @throws ConnectionError `PSGL_SUBSCRIBE_REFUSED`.
	 */
	subscribe(filter: string): Promise<void>;
	/** Disconnects on purpose: no last will. */
	close(): Promise<void>;
}

/**
 * Opens a connection.
 * @throws ConnectionError `PSGL_BROKER_REFUSED` when trying again is of no use; anything else is tried again.
 */
export type OpenLink = (events: LinkEvents, signal: AbortSignal) => Promise<Link>;
