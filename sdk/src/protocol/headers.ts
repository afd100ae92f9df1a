import { z } from "zod";
import { ProtocolError } from "../errors.js";
import { aggregatorHeaders } from "./aggregator-headers.js";
import { deviceHeaders } from "./device-headers.js";
import { disclosure, envelope } from "./header-fields.js";
import { protocolLimits as limits } from "./limits.js";
import type { Message, MessageType } from "./messages.js";

/** Place of a tensor, or of its scale, in a body. */
export interface ByteRange {
	/** First byte. */
	readonly offset: number;
	readonly bytes: number;
}

/** A tensor as a header describes it. Its scale lies right before it. */
export interface TensorDescriptor extends ByteRange {
	readonly name: string;
	readonly dtype: "float32" | "float16" | "int8" | "int4" | "uint8" | "int32" | "code";
	readonly dims: readonly number[];
	/** Bits of an index; exactly for `code`. */
	readonly bits?: number | undefined;
	readonly scale?: ByteRange | undefined;
}

/** Place of a chunk in its message's body. */
export interface ChunkPlace {
	readonly index: number;
	readonly count: number;
	readonly offset: number;
	/** Bytes of the whole body. */
	readonly total: number;
	/** CRC-32C of the whole body. */
	readonly crc: number;
}

type FieldsOf<T extends MessageType> = Omit<Extract<Message, { readonly type: T }>, "tensors" | "body">;

/** A header as it travels: the message's own fields, what its body holds, and which part of the body this is. */
export type Header<T extends MessageType = MessageType> = { [K in T]: FieldsOf<K> }[T] & {
	readonly tensors?: readonly TensorDescriptor[] | undefined;
	readonly chunk?: ChunkPlace | undefined;
	/** Bytes of the body before it was deflated; absent where it was not. */
	readonly inflated?: number | undefined;
};

/** Schemas of every header. */
const schemas = {
	...deviceHeaders,
	...aggregatorHeaders,
	status: z.strictObject({
		...envelope,
		type: z.literal("status"),
		state: z.enum(["online", "offline"]),
		since: z.int().min(0),
		disclosure: disclosure.optional(),
		paused: z
			.array(z.enum(["temperature", "battery", "hours", "storage"]))
			.max(4)
			.optional(),
		localAccuracy: z.strictObject({ accuracy: z.number().min(0).max(1), samples: z.int().min(0) }).optional(),
	}),
} satisfies { [T in MessageType]: z.ZodType<FieldsOf<T>> };

function isMessageType(type: unknown): type is MessageType {
	return typeof type === "string" && Object.hasOwn(schemas, type);
}

/**
 * Checks a header against its type's schema.
 * @throws ProtocolError `PSGL_PROTOCOL_HEADER`.
 */
export function checkHeader(value: unknown): Header {
	const type = typeof value === "object" && value !== null ? (value as { type?: unknown }).type : undefined;
	if (!isMessageType(type)) {
		throw new ProtocolError("PSGL_PROTOCOL_HEADER", {
			what: "a message has no known type",
			got: typeof type === "string" ? JSON.stringify(type.slice(0, limits.maxNameLength)) : `a ${typeof type}`,
			expected: `one of ${Object.keys(schemas).join(", ")}`,
			remedy: "Check that the sender speaks the same protocol version",
		});
	}
	const result = schemas[type].safeParse(value);
	if (result.success) return result.data;
	const issues = result.error.issues.slice(0, 3).map((i) => `${i.path.join(".") || "header"}: ${i.message}`);
	throw new ProtocolError("PSGL_PROTOCOL_HEADER", {
		what: `the header of a ${type} message does not fit its schema`,
		got: issues.join("; ").slice(0, limits.maxTextLength),
		remedy: "See docs/protocol.md for the fields of every message",
	});
}
