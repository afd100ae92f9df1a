/** Control packet types (MQTT 3.1.1 section 2.2.1). */
export const packetType = { connect: 1, publish: 3 } as const;

/** Most bytes of a fixed header: type, and a length of up to four bytes. */
const maxHeaderBytes = 5;

/** Cuts a stream of bytes into MQTT control packets, whole and unchanged. */
export class MqttFrames {
	#rest: Buffer = Buffer.alloc(0);

	/** The packets that `bytes` complete. */
	push(bytes: Buffer): Buffer[] {
		this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
		const frames: Buffer[] = [];
		for (let length = frameLength(this.#rest); length <= this.#rest.length; length = frameLength(this.#rest)) {
			frames.push(this.#rest.subarray(0, length));
			this.#rest = this.#rest.subarray(length);
		}
		return frames;
	}
}

/** Bytes of the packet at the start; infinity while its length is not there. */
function frameLength(bytes: Buffer): number {
	let remaining = 0;
	for (let i = 1; i < Math.min(bytes.length, maxHeaderBytes); i++) {
		const byte = bytes[i] as number;
		remaining += (byte & 0x7f) * 128 ** (i - 1);
		if (byte < 0x80) return 1 + i + remaining;
	}
	return Number.POSITIVE_INFINITY;
}

/** A PUBLISH at quality of service 1: those may come more than once (MQTT 3.1.1 section 4.3.2). */
export function isRepeatable(frame: Buffer): boolean {
	const first = frame[0] as number;
	return first >> 4 === packetType.publish && ((first >> 1) & 3) === 1;
}

/** The packet as its sender would send it again: with the DUP flag (section 3.3.1.1). */
export function repeated(frame: Buffer): Buffer {
	const copy = Buffer.from(frame);
	copy[0] = (copy[0] as number) | 0x08;
	return copy;
}
