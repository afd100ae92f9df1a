import { type Clock, LimitError, ProtocolError } from "@psgl/sdk";
import { type Rate, TokenBucket } from "./token-bucket.js";

const connectType = 1;

export interface ByteGuardOptions {
	/** Largest packet, bytes, fixed header included. */
	readonly maxPacketBytes: number;
	/** Largest first packet, which has to be CONNECT. */
	readonly maxConnectBytes: number;
	/** Packets the connection may send. */
	readonly packetRate: Rate;
	readonly clock: Clock;
}

/**
 * Follows the packet boundaries of one connection's bytes and refuses a packet by its fixed header (MQTT 3.1.1 section
 * 2.2), before any of it is kept.
 */
export class ByteGuard {
	readonly #options: ByteGuardOptions;
	/** Bytes of the current packet's body that are still to come. */
	#body = 0;
	/** Bytes of the current fixed header that have come. */
	#header = 0;
	#type = 0;
	#length = 0;
	#first = true;
	readonly #packets: TokenBucket;

	constructor(options: ByteGuardOptions) {
		this.#options = options;
		this.#packets = new TokenBucket(options.packetRate, options.clock.now());
	}

	/**
	 * Looks at the next bytes.
	 * @throws LimitError `PSGL_BROKER_PACKET_TOO_LARGE`, `PSGL_BROKER_FLOOD` when packets come too fast; ProtocolError
	 * `PSGL_BROKER_PACKET` when it cannot be MQTT 3.1.1.
	 */
	inspect(chunk: Uint8Array): void {
		for (let at = 0; at < chunk.length; ) {
			if (this.#body > 0) {
				const skipped = Math.min(this.#body, chunk.length - at);
				this.#body -= skipped;
				at += skipped;
			} else {
				this.#headerByte(chunk[at++] as number);
			}
		}
	}

	#headerByte(byte: number): void {
		if (this.#header === 0) {
			this.#type = byte >> 4;
			this.#length = 0;
			this.#header = 1;
			// [MQTT-3.1.0-1], [MQTT-3.1.0-2]
			if (this.#first !== (this.#type === connectType)) {
				throw malformed(`packet type ${this.#type}`, this.#first ? "CONNECT first" : "one CONNECT");
			}
			if (!this.#packets.take(this.#options.clock.now())) throw flood(this.#options.packetRate);
			return;
		}
		// Section 2.2.3: seven bits a byte, least significant first, at most four bytes.
		this.#length += (byte & 0x7f) * 128 ** (this.#header - 1);
		this.#header += 1;
		if ((byte & 0x80) !== 0) {
			if (this.#header > 4) throw malformed("a remaining length of more than four bytes", "at most four");
			return;
		}
		const most = this.#first ? this.#options.maxConnectBytes : this.#options.maxPacketBytes;
		const bytes = this.#header + this.#length;
		if (bytes > most) {
			throw new LimitError("PSGL_BROKER_PACKET_TOO_LARGE", {
				what: `an MQTT packet of type ${this.#type} is too large`,
				got: `${bytes} bytes`,
				expected: `at most ${most} bytes`,
				remedy: "Send messages in chunks of the maximum that welcome names, or raise maxMessageBytes",
			});
		}
		this.#body = this.#length;
		this.#header = 0;
		this.#first = false;
	}
}

function flood({ perSecond, burst }: Rate): LimitError {
	return new LimitError("PSGL_BROKER_FLOOD", {
		what: "a connection sends packets too fast",
		got: `more than ${burst} at once`,
		expected: `at most ${perSecond} a second`,
		remedy: "Check the device's program; the broker takes it back when it connects again",
	});
}

function malformed(got: string, expected: string): ProtocolError {
	return new ProtocolError("PSGL_BROKER_PACKET", {
		what: "a connection does not speak MQTT 3.1.1",
		got,
		expected,
		remedy: "Connect with an MQTT 3.1.1 client",
	});
}
