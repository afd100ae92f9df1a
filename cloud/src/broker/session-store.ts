import { createRequire } from "node:module";
import { Readable } from "node:stream";
import type { Client, PublishPacket } from "aedes";
import type { AedesPersistence } from "aedes-persistence";

// Its types declare a default export that the CommonJS module does not have.
const memoryPersistence = createRequire(import.meta.url)("aedes-persistence") as () => AedesPersistence;

/** Its methods also give promises, which the types do not know. */
interface Promising {
	removeSubscriptions(client: Client, topics: readonly string[]): Promise<void>;
	outgoingStream(client: Client): AsyncIterable<PublishPacket & { readonly messageId?: number }>;
}

/** Sessions, wills and retained messages in memory. */
export interface SessionStore {
	readonly persistence: AedesPersistence;
	/** Takes subscriptions out of a session. By promise: the form with a callback waits for an event that never comes. */
	forget(client: Client, topics: readonly string[]): Promise<void>;
}

/** A store for one server. */
export function createSessionStore(): SessionStore {
	const persistence = memoryPersistence();
	const promising = persistence as unknown as Promising;
	const outgoing = promising.outgoingStream.bind(promising);
	// What was sent on an earlier connection has its identifier already: it is sent again [MQTT-3.3.1-1].
	const marked = async function* (client: Client) {
		for await (const packet of outgoing(client)) {
			yield packet.messageId === undefined ? packet : Object.assign(packet, { dup: true });
		}
	};
	Object.assign(persistence, { outgoingStream: (client: Client) => Readable.from(marked(client)) });
	return { persistence, forget: (client, topics) => promising.removeSubscriptions(client, topics) };
}
