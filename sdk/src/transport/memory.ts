import { ConnectionError } from "../errors.js";
import type { LastWill, Transport } from "../ports/transport.js";
import type { Link, LinkEvents } from "./link.js";
import { ReconnectingTransport, type ReconnectOptions } from "./reconnecting-transport.js";
import { matchesFilter } from "./topic-filter.js";

export interface MemoryTransportOptions extends ReconnectOptions {
	readonly clientId: string;
	readonly lastWill?: LastWill | undefined;
}

interface Packet {
	readonly topic: string;
	readonly payload: Uint8Array;
	readonly retained: boolean;
}

/** What the hub keeps of a client, connected or not. */
interface Session {
	readonly filters: Set<string>;
	readonly queue: Packet[];
	link?: MemoryLink | undefined;
}

/**
 * A broker without a network, for a fleet in one process: sessions that outlive connections, retained messages and last
 * wills as with MQTT. Messages are copied and delivered in order, after the publisher's current task.
 */
export class MemoryHub {
	/** False: connections are refused until it is true again, as when a broker is down. */
	available = true;
	readonly #sessions = new Map<string, Session>();
	readonly #retained = new Map<string, Packet>();

	/** A transport to this hub. A second one with the same client id takes the first one's place. */
	transport({ clientId, lastWill, ...options }: MemoryTransportOptions): Transport {
		return new ReconnectingTransport(
			"the hub in memory",
			async (events, signal) => this.#open(clientId, lastWill, events, signal),
			options,
		);
	}

	/** Cuts a client's connection, as when its network fails: the last will is published. */
	disconnect(clientId: string): void {
		this.#sessions.get(clientId)?.link?.lose("connection lost");
	}

	#open(clientId: string, lastWill: LastWill | undefined, events: LinkEvents, signal: AbortSignal): Link {
		signal.throwIfAborted();
		if (!this.available) {
			throw new ConnectionError("PSGL_BROKER_UNREACHABLE", {
				what: "the hub in memory takes no connections",
				remedy: "Wait until it is available again",
			});
		}
		const known = this.#sessions.get(clientId);
		const session = known ?? { filters: new Set(), queue: [] };
		this.#sessions.set(clientId, session);
		session.link?.lose("another client has this id");
		const link = new MemoryLink(known !== undefined, events, {
			publish: (topic, payload, retain) => this.#publish(topic, payload, retain),
			subscribe: (filter) => this.#subscribe(session, filter),
			ended: (lost) => {
				session.link = undefined;
				if (lost && lastWill) this.#publish(lastWill.topic, lastWill.payload, lastWill.retain);
			},
		});
		session.link = link;
		queueMicrotask(() => this.#deliver(session));
		return link;
	}

	#publish(topic: string, payload: Uint8Array, retain: boolean): void {
		const packet = { topic, payload: payload.slice(), retained: false };
		// An empty retained message clears the topic (MQTT 3.1.1 section 3.3.1.3).
		if (retain && payload.length === 0) this.#retained.delete(topic);
		else if (retain) this.#retained.set(topic, { ...packet, retained: true });
		for (const session of this.#sessions.values()) {
			if (![...session.filters].some((filter) => matchesFilter(filter, topic))) continue;
			session.queue.push(packet);
			queueMicrotask(() => this.#deliver(session));
		}
	}

	#subscribe(session: Session, filter: string): void {
		session.filters.add(filter);
		for (const packet of this.#retained.values()) if (matchesFilter(filter, packet.topic)) session.queue.push(packet);
		queueMicrotask(() => this.#deliver(session));
	}

	#deliver(session: Session): void {
		while (session.link !== undefined) {
			const packet = session.queue.shift();
			if (packet === undefined) return;
			session.link.events.message(packet.topic, packet.payload, packet.retained);
		}
	}
}

interface HubSide {
	publish(topic: string, payload: Uint8Array, retain: boolean): void;
	subscribe(filter: string): void;
	ended(lost: boolean): void;
}

class MemoryLink implements Link {
	readonly sessionPresent: boolean;
	readonly events: LinkEvents;
	readonly #hub: HubSide;
	#open = true;

	constructor(sessionPresent: boolean, events: LinkEvents, hub: HubSide) {
		this.sessionPresent = sessionPresent;
		this.events = events;
		this.#hub = hub;
	}

	async publish(topic: string, payload: Uint8Array, retain: boolean): Promise<void> {
		this.#requireOpen();
		this.#hub.publish(topic, payload, retain);
	}

	async subscribe(filter: string): Promise<void> {
		this.#requireOpen();
		this.#hub.subscribe(filter);
	}

	async close(): Promise<void> {
		this.#end(false, "closed");
	}

	lose(reason: string): void {
		this.#end(true, reason);
	}

	#end(lost: boolean, reason: string): void {
		if (!this.#open) return;
		this.#open = false;
		this.#hub.ended(lost);
		this.events.lost(reason);
	}

	#requireOpen(): void {
		if (this.#open) return;
		throw new ConnectionError("PSGL_BROKER_UNREACHABLE", { what: "the connection to the hub in memory is lost" });
	}
}
