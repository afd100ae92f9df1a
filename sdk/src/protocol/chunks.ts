import { LimitError } from "../errors.js";
import { checksum } from "./checksum.js";
import { frameOverhead, headerBytes, tooLarge, writeFrame } from "./frame.js";
import type { Header } from "./headers.js";
import { bodyOf, type LayOutOptions, layOut } from "./layout.js";
import { protocolLimits as limits } from "./limits.js";
import type { Message } from "./messages.js";

/**
 * The envelopes that carry a message, none longer than `maxMessageBytes`. One if it fits; otherwise every chunk has the
 * message's whole header with its own place added, and all bodies but the last are equally long.
 * @throws LimitError `PSGL_PROTOCOL_TOO_LARGE` when body or header exceed what the protocol allows; otherwise as
 * `encodeEnvelope`.
 */
export function splitIntoChunks(message: Message, maxMessageBytes: number, options?: LayOutOptions): Uint8Array[] {
	const { header, parts, bytes: total } = layOut(message, options);
	if (total > limits.maxBodyBytes) throw tooLarge("a body", total, limits.maxBodyBytes);
	const whole = headerBytes(header);
	if (frameOverhead + whole.length + total <= maxMessageBytes) return [writeFrame(whole, parts)];
	const crc = checksum(...parts);
	// The longest place a chunk of this message can have, so that every chunk fits.
	const longest = chunkHeader(header, limits.maxChunks - 1, limits.maxChunks, total, total, 0xffff_ffff);
	const size = maxMessageBytes - frameOverhead - longest.length;
	const count = Math.ceil(total / size);
	if (size <= 0 || count < 2 || count > limits.maxChunks) {
		throw new LimitError("PSGL_PROTOCOL_TOO_LARGE", {
			what: `a ${message.type} message cannot be cut into chunks`,
			got: `a header of ${whole.length} and a body of ${total} bytes for messages of ${maxMessageBytes} bytes`,
			expected: `at most ${limits.maxChunks} chunks`,
			remedy: `Allow messages of at least ${limits.minMessageBytes} bytes`,
		});
	}
	const body = bodyOf({ parts, bytes: total });
	return Array.from({ length: count }, (_, index) => {
		const offset = index * size;
		return writeFrame(chunkHeader(header, index, count, offset, total, crc), [body.subarray(offset, offset + size)]);
	});
}

function chunkHeader(header: Header, index: number, count: number, offset: number, total: number, crc: number) {
	return headerBytes({ ...header, chunk: { index, count, offset, total, crc } });
}
