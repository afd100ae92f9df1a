import { JetStreamApiError } from "@nats-io/jetstream";
import type { ObjectStore } from "@nats-io/obj";
import type { NatsLink } from "./nats-link.js";

/** JetStream's error code for a message that is not there. */
const noMessage = 10037;

interface ObjectPlace {
	readonly bucket: string;
	readonly objects: ObjectStore;
	/** Its name. */
	readonly object: string;
}

/**
 * Removes an object message by message, what names it first. The object store's own `delete` purges by subject, and a replicated NATS server 2.9 that is
 * killed does such a purge again when it starts, on everything that was before it: objects that nobody deleted were gone from
 * all three servers. It also leaves an entry for each object that was ever deleted.
 */
export async function removeObject(link: NatsLink, { bucket, objects, object }: ObjectPlace): Promise<void> {
	const info = await objects.info(object);
	if (info === null) return;
	const name = Buffer.from(object).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
	await removeAll(link, bucket, `$O.${bucket}.M.${name}`);
	await removeAll(link, bucket, `$O.${bucket}.C.${info.nuid}`);
}

async function removeAll(link: NatsLink, bucket: string, subject: string): Promise<void> {
	const { streams } = link.manager;
	const stream = `OBJ_${bucket}`;
	for (;;) {
		let seq: number;
		try {
			const last = await streams.getMessage(stream, { last_by_subj: subject });
			if (last === null) return;
			seq = last.seq;
		} catch (error) {
			if (error instanceof JetStreamApiError && error.code === noMessage) return;
			throw error;
		}
		await streams.deleteMessage(stream, seq, false);
	}
}
