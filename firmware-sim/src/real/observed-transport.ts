import type { Clock, Random, Transport, TransportMessage } from "@psgl/sdk";
import { identify, protocolLimits } from "@psgl/sdk/protocol";
import type { MaliciousKind } from "../scenario/scenario.js";

export interface ObservedTransportOptions {
	readonly clock: Clock;
	readonly random: Random;
	/** Called with the milliseconds from sending a batch for the first time to its gradient. */
	readonly onLag: (ms: number) => void;
	/** What it sends besides; undefined: nothing. */
	readonly hostile: Exclude<MaliciousKind, "poison"> | undefined;
	/** Milliseconds between two hostile acts. */
	readonly everyMs: number;
	/** Called with the hostile messages that were sent. */
	readonly onHostile: (count: number) => void;
}

/** Whole envelopes are looked at, however long. */
const limits = { maxMessageBytes: protocolLimits.maxMessageBytes, maxBodyBytes: protocolLimits.maxBodyBytes };

/** Messages of one flood: twice what the broker takes of a device at once. */
const floodMessages = 10_000;

/** Bytes of one that is no message. */
const garbageBytes = 400;

/** A device's transport, watched: how long answers take, and, on a malicious device, what it sends besides what the device itself does. */
export function observedTransport(transport: Transport, options: ObservedTransportOptions): Transport {
	const { clock, random, onLag, hostile, everyMs, onHostile } = options;
	const sent = new Map<string, number>();
	const stop = new AbortController();
	let topic: string | undefined;
	let old: Uint8Array | undefined;

	const garbage = () => Uint8Array.from({ length: garbageBytes }, () => random.integer(256));
	const messages = (): Uint8Array[] => {
		if (hostile === "replay") return old === undefined ? [] : [old];
		return Array.from({ length: hostile === "flood" ? floodMessages : 1 }, garbage);
	};
	const act = async (): Promise<void> => {
		for (;;) {
			await clock.sleep(-everyMs * Math.log(1 - random.uniform()), stop.signal);
			const target = topic;
			if (target === undefined || transport.state !== "online") continue;
			const all = messages();
			onHostile(all.length);
			// Refused, or cut off with the connection: either is what the broker is for.
			await Promise.allSettled(all.map((payload) => transport.publish(target, payload, { signal: stop.signal })));
		}
	};
	if (hostile !== undefined) act().catch(() => undefined);

	return {
		get state() {
			return transport.state;
		},
		connect: (wait) => transport.connect(wait),
		publish: (to, payload, how) => {
			const name = identify(payload, limits);
			if (name !== undefined) topic = to.endsWith("/up") ? to : topic;
			if (name?.type === "batch") {
				old ??= payload;
				const key = `${name.epoch}:${name.seq}`;
				if (!sent.has(key)) sent.set(key, clock.now());
			}
			return transport.publish(to, payload, how);
		},
		subscribe: (filter, handler, wait) =>
			transport.subscribe(
				filter,
				(message: TransportMessage) => {
					const name = identify(message.payload, limits);
					const at = name?.type === "gradient" ? sent.get(`${name.epoch}:${name.seq}`) : undefined;
					if (at !== undefined) {
						onLag(clock.now() - at);
						sent.delete(`${name?.epoch}:${name?.seq}`);
					}
					return handler(message);
				},
				wait,
			),
		on: (listener) => transport.on(listener),
		close: () => {
			stop.abort();
			return transport.close();
		},
		[Symbol.asyncDispose]: () => {
			stop.abort();
			return transport.close();
		},
	};
}
