import { ProtocolError } from "../errors.js";
import { headerBytes, readFrame, tooLarge, writeFrame } from "./frame.js";
import { type LayOutOptions, layOut, putTogether } from "./layout.js";
import { defaultReceiveLimits, protocolLimits, type ReceiveLimits } from "./limits.js";
import type { Message } from "./messages.js";

/**
 * The bytes of a message in one envelope, however long. `splitIntoChunks` keeps to a negotiated maximum.
 * @throws ProtocolError `PSGL_PROTOCOL_HEADER`, `PSGL_PROTOCOL_TENSOR`; NumericError `PSGL_PROTOCOL_NOT_FINITE`;
 * LimitError `PSGL_PROTOCOL_TOO_LARGE`.
 */
export function encodeEnvelope(message: Message, options?: LayOutOptions): Uint8Array {
	const { header, parts, bytes } = layOut(message, options);
	if (bytes > protocolLimits.maxBodyBytes) throw tooLarge("a body", bytes, protocolLimits.maxBodyBytes);
	return writeFrame(headerBytes(header), parts);
}

/**
 * Reads a message that came in one envelope. Nothing in `bytes` is trusted. `ChunkAssembler` reads chunks as well.
 * @throws ProtocolError `PSGL_PROTOCOL_VERSION`, `PSGL_PROTOCOL_MALFORMED`, `PSGL_PROTOCOL_CHECKSUM`,
 * `PSGL_PROTOCOL_HEADER`, `PSGL_PROTOCOL_TENSOR`, `PSGL_PROTOCOL_CHUNK_UNEXPECTED`; NumericError
 * `PSGL_PROTOCOL_NOT_FINITE`; LimitError `PSGL_PROTOCOL_TOO_LARGE`.
 */
export function decodeEnvelope(bytes: Uint8Array, limits: ReceiveLimits = defaultReceiveLimits): Message {
	const { header, body } = readFrame(bytes, limits);
	if (header.chunk !== undefined) {
		throw new ProtocolError("PSGL_PROTOCOL_CHUNK_UNEXPECTED", {
			what: "a chunk came where only a whole message may",
			got: `chunk ${header.chunk.index} of ${header.chunk.count}`,
			expected: "a message in one envelope",
		});
	}
	return putTogether(header, body);
}
