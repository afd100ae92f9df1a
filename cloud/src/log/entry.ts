import { DataError } from "@psgl/sdk";
import { type Channel, deviceTopic, parseTopic } from "@psgl/sdk/protocol";

/** What a device published, as the log holds it. */
export interface PublishedEntry {
	readonly device: string;
	readonly channel: Channel;
	readonly payload: Uint8Array;
}

/** Bytes of an entry: one byte with the topic's length, the topic in ASCII, the payload. */
export function encodeEntry({ device, channel, payload }: PublishedEntry): Uint8Array {
	const topic = deviceTopic(device, channel);
	const bytes = new Uint8Array(1 + topic.length + payload.length);
	bytes[0] = topic.length;
	for (let i = 0; i < topic.length; i++) bytes[1 + i] = topic.charCodeAt(i);
	bytes.set(payload, 1 + topic.length);
	return bytes;
}

/**
 * The payload is a view on `bytes`.
 * @throws DataError `PSGL_LOG_ENTRY` when the bytes are no entry.
 */
export function decodeEntry(bytes: Uint8Array): PublishedEntry {
	const start = 1 + (bytes[0] ?? 0);
	const topic = parseTopic(String.fromCharCode(...bytes.subarray(1, start)));
	if (topic === undefined) throw new DataError("PSGL_LOG_ENTRY", { what: "an entry of the log holds no psgl topic" });
	return { ...topic, payload: bytes.subarray(start) };
}
