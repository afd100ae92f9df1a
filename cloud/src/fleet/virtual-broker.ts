import type { DownlinkMessage, Endpoint, EventQueue } from "@psgl/firmware-sim";
import { TokenBuckets } from "../broker/token-bucket.js";
import { cloudLimits } from "../limits.js";

/** The broker in virtual time: who is connected, and the real one's limits on connections and messages. */
export class VirtualBroker {
	readonly events = { connections: 0, refusedByRate: 0, refusedByNumber: 0, floodsEnded: 0 };
	readonly #queue: EventQueue;
	readonly #connected = new Map<string, Endpoint>();
	readonly #connects = new TokenBuckets(
		{ perSecond: cloudLimits.connectsPerSecond, burst: cloudLimits.connectBurst },
		cloudLimits.watchedAddresses,
	);
	readonly #messages = new TokenBuckets(
		{ perSecond: cloudLimits.messagesPerSecond, burst: cloudLimits.messageBurst },
		cloudLimits.maxSessions,
	);

	constructor(queue: EventQueue) {
		this.#queue = queue;
	}

	get connected(): readonly string[] {
		return [...this.#connected.keys()];
	}

	connect(endpoint: Endpoint): boolean {
		if (!this.#connects.take(endpoint.address, this.#queue.now)) {
			this.events.refusedByRate++;
			return false;
		}
		if (this.#connected.size >= cloudLimits.maxConnections && !this.#connected.has(endpoint.id)) {
			this.events.refusedByNumber++;
			return false;
		}
		this.events.connections++;
		this.#connected.set(endpoint.id, endpoint);
		return true;
	}

	/** False when it was not connected. */
	disconnect({ id }: Endpoint): boolean {
		return this.#connected.delete(id);
	}

	/** Whether a message of the device is within its rate; if not, its connection has ended. */
	admit(device: string): boolean {
		if (this.#messages.take(device, this.#queue.now)) return true;
		this.events.floodsEnded++;
		this.#connected.get(device)?.dropped();
		return false;
	}

	/** Messages taken of `count` at once. */
	flood({ id }: Endpoint, count: number): number {
		let taken = 0;
		while (taken < count && this.admit(id)) taken++;
		return taken;
	}

	send(device: string, message: DownlinkMessage): void {
		this.#connected.get(device)?.deliver(message);
	}
}
