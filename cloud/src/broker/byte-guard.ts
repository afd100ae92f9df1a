import { type Clock, LimitError } from "@psgl/sdk";
import { notMqtt } from "./broker-errors.js";
import { checkPacket, neededBytes, packetTypes } from "./packet-check.js";
import { type Rate, TokenBucket } from "./token-bucket.js";

export interface ByteGuardOptions {
	/** Largest PUBLISH, bytes, fixed header included. */
	readonly maxPacketBytes: number;
	/** Largest packet of another type. */
	readonly maxControlBytes: number;
	/** Packets the connection may send. */
	readonly packetRate: Rate;
	readonly clock: Clock;
}

/**
 * Follows the packet boundaries of one connection's bytes and refuses a packet by its fixed header (MQTT 3.1.1 section
 * 2.2), before any of it is kept, and by its content (`checkPacket`), before its last byte reaches anyone.
 */
export class ByteGuard {
	readonly #options: ByteGuardOptions;
	/** Bytes of the current packet's body that are still to come. */
	#body = 0;
	/** Bytes of the current fixed header that have come. */
	#header = 0;
	#firstByte = 0;
	#length = 0;
	#first = true;
	/** Start of the current packet's body, as far as it is checked; undefined when it was. */
	#seen: Buffer | undefined;
	readonly #packets: TokenBucket;

	constructor(options: ByteGuardOptions) {
		this.#options = options;
		this.#packets = new TokenBucket(options.packetRate, options.clock.now());
	}

	/**
	 * Looks at the next bytes.
	 * @throws LimitError `PSGL_BROKER_PACKET_TOO_LARGE`, `PSGL_BROKER_FLOOD` when packets come too fast; ProtocolError
	 * `PSGL_BROKER_PACKET` when it cannot be MQTT 3.1.1, `PSGL_BROKER_VERSION` when it is another version.
	 */
	inspect(chunk: Uint8Array): void {
		for (let at = 0; at < chunk.length; ) {
			if (this.#body > 0) {
				const part = Math.min(this.#body, chunk.length - at);
				this.#check(chunk.subarray(at, at + part));
				this.#body -= part;
				at += part;
			} else {
				this.#headerByte(chunk[at++] as number);
			}
		}
	}

	#headerByte(byte: number): void {
		const type = byte >> 4;
		if (this.#header === 0) {
			this.#firstByte = byte;
			this.#length = 0;
			this.#header = 1;
			// [MQTT-3.1.0-1], [MQTT-3.1.0-2]
			if (this.#first !== (type === packetTypes.connect)) {
				throw notMqtt(`packet type ${type}`, this.#first ? "CONNECT first" : "one CONNECT");
			}
			if (!this.#packets.take(this.#options.clock.now())) throw flood(this.#options.packetRate);
			return;
		}
		// Section 2.2.3: seven bits a byte, least significant first, at most four bytes.
		this.#length += (byte & 0x7f) * 128 ** (this.#header - 1);
		this.#header += 1;
		if ((byte & 0x80) !== 0) {
			if (this.#header > 4) throw notMqtt("a remaining length of more than four bytes", "at most four");
			return;
		}
		this.#limit(this.#header + this.#length);
		this.#body = this.#length;
		this.#header = 0;
		this.#first = false;
		this.#seen = Buffer.alloc(0);
		if (this.#length === 0) this.#check(this.#seen);
	}

	#limit(bytes: number): void {
		const { maxPacketBytes, maxControlBytes } = this.#options;
		const type = this.#firstByte >> 4;
		const most = type === packetTypes.publish ? maxPacketBytes : maxControlBytes;
		if (bytes > most) throw tooLarge(`an MQTT packet of type ${type}`, bytes, most);
	}

	#check(part: Uint8Array): void {
		if (this.#seen === undefined) return;
		const { maxControlBytes } = this.#options;
		// One step at a time: how long a topic is, its first bytes tell.
		let seen = this.#seen;
		let used = 0;
		for (;;) {
			const needed = neededBytes(this.#firstByte, this.#length, seen);
			if (needed > maxControlBytes) throw tooLarge("the topic of an MQTT packet", needed, maxControlBytes);
			if (seen.length === needed) break;
			if (used === part.length) {
				this.#seen = seen;
				return;
			}
			const more = part.subarray(used, used + needed - seen.length);
			used += more.length;
			seen = seen.length === 0 ? Buffer.from(more) : Buffer.concat([seen, more]);
		}
		this.#seen = undefined;
		checkPacket(this.#firstByte, seen);
	}
}

function tooLarge(what: string, bytes: number, most: number): LimitError {
	return new LimitError("PSGL_BROKER_PACKET_TOO_LARGE", {
		what: `${what} is too large`,
		got: `${bytes} bytes`,
		expected: `at most ${most} bytes`,
		remedy: "Send messages in chunks of the maximum that welcome names, or raise maxMessageBytes",
	});
}

/** Packets or messages come faster than the rate. */
export function flood({ perSecond, burst }: Rate, who = "a connection"): LimitError {
	return new LimitError("PSGL_BROKER_FLOOD", {
		what: `${who} sends packets too fast`,
		got: `more than ${burst} at once`,
		expected: `at most ${perSecond} a second`,
		remedy: "Check the device's program; the broker takes it back when it connects again",
	});
}
