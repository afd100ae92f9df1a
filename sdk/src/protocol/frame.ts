import { decode, encode, rfc8949EncodeOptions } from "cborg";
import { LimitError, ProtocolError } from "../errors.js";
import { checksum } from "./checksum.js";
import { ItemReader, writeItems } from "./frame-items.js";
import { checkHeader, type Header } from "./headers.js";
import { protocolLimits as limits, protocolVersion, type ReceiveLimits } from "./limits.js";

/** An envelope's content: a whole message, or one chunk of it. */
export interface Frame {
	readonly header: Header;
	readonly body: Uint8Array;
}

/** Bytes of an envelope besides header and body: array, version, two lengths and the checksum, each at its longest. */
export const frameOverhead = 1 + 1 + 5 + 5 + 5;

const strict = {
	strict: true,
	allowIndefinite: false,
	allowUndefined: false,
	allowInfinity: false,
	allowNaN: false,
	allowBigInt: false,
	rejectDuplicateMapKeys: true,
} as const;

/** A header's bytes: CBOR, deterministic (RFC 8949 section 4.2.1). */
export function headerBytes(header: Header): Uint8Array {
	const bytes = encode(header, { ...rfc8949EncodeOptions, ignoreUndefinedProperties: true });
	if (bytes.length > limits.maxHeaderBytes) throw tooLarge("a header", bytes.length, limits.maxHeaderBytes);
	return bytes;
}

/** The envelope: CBOR [version, header bstr, body bstr, CRC-32C of header and body], the body in parts that follow each other. */
export function writeFrame(header: Uint8Array, body: readonly Uint8Array[]): Uint8Array {
	return writeItems(protocolVersion, header, body, checksum(header, ...body));
}

/**
 * Reads an envelope and checks everything but its tensors. The body is a view on it.
 * @throws LimitError `PSGL_PROTOCOL_TOO_LARGE`; ProtocolError `PSGL_PROTOCOL_VERSION`, `PSGL_PROTOCOL_MALFORMED`,
 * `PSGL_PROTOCOL_CHECKSUM`, `PSGL_PROTOCOL_HEADER`.
 */
export function readFrame(bytes: Uint8Array, { maxMessageBytes, maxBodyBytes }: ReceiveLimits): Frame {
	if (bytes.length > maxMessageBytes) throw tooLarge("a message", bytes.length, maxMessageBytes);
	const { version, header, body, crc } = readItems(bytes);
	if (version !== protocolVersion) {
		throw new ProtocolError("PSGL_PROTOCOL_VERSION", {
			what: "a message has an unknown protocol version",
			got: `version ${version}`,
			expected: `version ${protocolVersion}`,
			remedy: "Update the older side, or the newer one speaks the version that both list in hello",
		});
	}
	if (header.length > limits.maxHeaderBytes) throw tooLarge("a header", header.length, limits.maxHeaderBytes);
	if (body.length > maxBodyBytes) throw tooLarge("a body", body.length, maxBodyBytes);
	const actual = checksum(header, body);
	if (actual !== crc) {
		throw new ProtocolError("PSGL_PROTOCOL_CHECKSUM", {
			what: "the checksum of a message is wrong",
			got: hex(actual),
			expected: hex(crc),
			remedy: "Send it again; if it happens again, check the link and the sender",
		});
	}
	let content: unknown;
	try {
		content = decode(header, strict);
	} catch (cause) {
		throw malformed("a header is not deterministic CBOR", cause);
	}
	const checked = checkHeader(content);
	if (checked.chunk !== undefined && checked.chunk.total > maxBodyBytes) {
		throw tooLarge("a chunked body", checked.chunk.total, maxBodyBytes);
	}
	return { header: checked, body };
}

function readItems(bytes: Uint8Array): { version: number; header: Uint8Array; body: Uint8Array; crc: number } {
	const items = new ItemReader(bytes);
	const nothing = new Uint8Array(0);
	try {
		const count = items.array();
		const version = items.uint();
		// Another version may have another shape: say that, rather than that the shape is wrong.
		if (version !== protocolVersion) return { version, header: nothing, body: nothing, crc: 0 };
		if (count !== 4) throw malformed(`a message is an array of ${count} items`);
		const header = items.bytes();
		const body = items.bytes();
		const crc = items.uint();
		if (items.left > 0) throw malformed(`a message has ${items.left} bytes after its end`);
		return { version, header, body, crc };
	} catch (cause) {
		throw cause instanceof ProtocolError ? cause : malformed("a message is not deterministic CBOR", cause);
	}
}

export function tooLarge(what: string, got: number, most: number): LimitError {
	return new LimitError("PSGL_PROTOCOL_TOO_LARGE", {
		what: `${what} is too large`,
		got: `${got} bytes`,
		expected: `at most ${most} bytes`,
		remedy: "Send smaller batches, or raise the limit on both sides (docs/limits.md)",
	});
}

function malformed(what: string, cause?: unknown): ProtocolError {
	return new ProtocolError("PSGL_PROTOCOL_MALFORMED", {
		what,
		got: cause instanceof Error ? cause.message : undefined,
		expected: "the CBOR array [version, header, body, checksum]",
		remedy: "Check that the sender speaks psgl; see docs/protocol.md",
		cause,
	});
}

function hex(crc: number): string {
	return `0x${crc.toString(16).padStart(8, "0")}`;
}
