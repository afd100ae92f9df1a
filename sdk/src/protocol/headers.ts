import { z } from "zod";
import { ProtocolError } from "../errors.js";
import { protocolLimits as limits } from "./limits.js";
import { deviceMessageTypes } from "./message-types.js";
import type { Message, MessageType } from "./messages.js";
import { wireDTypes } from "./tensors.js";
import { deviceIdPattern } from "./topics.js";

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

const counter = z.int().min(0).max(limits.maxCounter);
const bytes = z.int().min(0).max(limits.maxBodyBytes);
const text = z.string().max(limits.maxTextLength);
const name = z.string().min(1).max(limits.maxNameLength);
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const wireDtype = z.enum(wireDTypes);
const messageBytes = z.int().min(limits.minMessageBytes).max(limits.maxMessageBytes);
const errorCode = z.string().regex(/^PSGL_[A-Z0-9_]{1,60}$/);
const rate = z.number().min(0).max(1000);

const descriptor = z.strictObject({
	name,
	dtype: z.enum(["float32", "float16", "int8", "int4", "uint8", "int32", "code"]),
	bits: z.int().min(1).max(8).optional(),
	dims: z.array(z.int().min(0).max(limits.maxDimension)).max(limits.maxRank),
	offset: bytes,
	bytes,
	scale: z.strictObject({ offset: bytes, bytes }).optional(),
});

const chunk = z.strictObject({
	index: z
		.int()
		.min(0)
		.max(limits.maxChunks - 1),
	count: z.int().min(2).max(limits.maxChunks),
	offset: bytes,
	total: bytes,
	crc: counter,
});

const releases = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

/** Totals of a device's disclosure ledger. */
const disclosure = z.strictObject({
	records: releases,
	releases,
	bits: z.number().min(0),
	mostBits: z.number().min(0),
	mostEpsilon: z.number().min(0),
	budgetBits: z.number().min(0).optional(),
	leftOut: releases,
});

/** Settings of a device's twin. */
const twinValues = z.record(name, z.union([z.number(), z.boolean(), text, z.array(name).max(16)]));

const envelope = {
	device: z.string().regex(deviceIdPattern),
	chunk: chunk.optional(),
	inflated: z.int().min(1).max(limits.maxBodyBytes).optional(),
};
const tensors = z.array(descriptor).min(1).max(limits.maxTensors);

/** Schemas of every header. Strict: a field a receiver does not know is refused, not ignored. */
const schemas = {
	hello: z.strictObject({
		...envelope,
		type: z.literal("hello"),
		session: counter,
		protocols: z.array(z.int().min(1).max(255)).min(1).max(16),
		samples: z.strictObject({ train: counter, validation: counter }),
		classes: z.int().min(0).max(limits.maxClasses),
		inputShape: z.array(z.int().min(1).max(limits.maxDimension)).max(limits.maxRank - 1),
		dtypes: z.array(wireDtype).min(1).max(wireDTypes.length),
		maxMessageBytes: messageBytes,
		agent: text,
		artifacts: z.array(digest).max(limits.maxArtifacts),
		window: z.int().min(1).max(limits.maxWindow).optional(),
		deflate: z.literal(true).optional(),
		releases: releases.optional(),
	}),
	batch: z.strictObject({
		...envelope,
		type: z.literal("batch"),
		epoch: counter,
		seq: counter,
		model: counter,
		tensors,
	}),
	evaluate: z.strictObject({
		...envelope,
		type: z.literal("evaluate"),
		epoch: counter,
		seq: counter,
		model: counter,
		last: z.boolean(),
		tensors: tensors.optional(),
	}),
	codes: z.strictObject({
		...envelope,
		type: z.literal("codes"),
		epoch: counter,
		seq: counter,
		model: counter,
		part: z.enum(["train", "validation"]),
		last: z.boolean(),
		tensors: tensors.optional(),
	}),
	forward: z.strictObject({
		...envelope,
		type: z.literal("forward"),
		task: z.enum(["train", "validate"]),
		epoch: counter,
		seq: counter,
		model: counter,
		tensors,
	}),
	backward: z.strictObject({
		...envelope,
		type: z.literal("backward"),
		epoch: counter,
		seq: counter,
		model: counter,
		tensors,
	}),
	figures: z.strictObject({
		...envelope,
		type: z.literal("figures"),
		epoch: counter,
		model: counter,
		samples: counter,
		accuracy: z.number().min(0).max(1).optional(),
		loss: z.number().min(0).optional(),
	}),
	weights: z.strictObject({
		...envelope,
		type: z.literal("weights"),
		epoch: counter,
		model: counter,
		samples: counter,
		localLoss: z.number().optional(),
		tensors,
	}),
	infer: z.strictObject({
		...envelope,
		type: z.literal("infer"),
		seq: counter,
		session: counter,
		model: counter,
		artifact: digest.optional(),
		allowPartial: z.boolean(),
		tensors,
	}),
	resume: z.strictObject({
		...envelope,
		type: z.literal("resume"),
		awaiting: z.enum(["artifact", "round", "credit", "features", "gradient", "received", "scores"]),
		epoch: counter,
		seq: counter,
	}),
	health: z.strictObject({
		...envelope,
		type: z.literal("health"),
		artifact: digest,
		state: z.enum(["trial", "confirmed", "rejected", "rolled-back"]),
		code: errorCode.optional(),
		what: text.optional(),
	}),
	desired: z.strictObject({ ...envelope, type: z.literal("desired"), version: counter, settings: twinValues }),
	reported: z.strictObject({
		...envelope,
		type: z.literal("reported"),
		version: counter,
		settings: twinValues,
		errors: z.record(name, text),
		disclosure,
	}),
	bye: z.strictObject({ ...envelope, type: z.literal("bye"), reason: text }),
	welcome: z.strictObject({
		...envelope,
		type: z.literal("welcome"),
		protocol: z.int().min(1).max(255),
		session: counter.optional(),
		model: counter,
		artifact: digest,
		maxMessageBytes: messageBytes,
		smashedDtype: wireDtype,
		gradientDtype: wireDtype,
		strategy: z.enum(["sequential", "splitfed-v1", "splitfed-v2"]),
		batchSize: z.int().min(1).max(65_536),
		window: z.int().min(1).max(limits.maxWindow).optional(),
		deflate: z.literal(true).optional(),
		seed: counter,
		mapBudget: rate,
		robustBudget: z.number().min(0).max(1),
		releases: releases.optional(),
		staged: z.literal(true).optional(),
	}),
	artifact: z.strictObject({ ...envelope, type: z.literal("artifact"), name, version: name, digest }),
	round: z.strictObject({
		...envelope,
		type: z.literal("round"),
		epoch: counter,
		task: z.enum(["train", "validate", "local", "code"]),
		steps: counter,
		pass: counter.optional(),
		first: counter.optional(),
		learningRate: rate,
		headLearningRate: rate,
		credit: counter.optional(),
		shieldWeight: z.number().min(0).max(1).optional(),
		model: counter,
		tensors: tensors.optional(),
	}),
	gradient: z.strictObject({
		...envelope,
		type: z.literal("gradient"),
		epoch: counter,
		seq: counter,
		model: counter,
		losses: z.array(z.number()).max(limits.maxStreams),
		credit: counter.optional(),
		tensors,
	}),
	features: z.strictObject({
		...envelope,
		type: z.literal("features"),
		task: z.enum(["train", "validate", "infer"]),
		epoch: counter,
		seq: counter,
		session: counter.optional(),
		model: counter,
		arrived: z.number().min(0).max(1).optional(),
		tensors,
	}),
	credit: z.strictObject({ ...envelope, type: z.literal("credit"), epoch: counter, upTo: counter }),
	scores: z.strictObject({
		...envelope,
		type: z.literal("scores"),
		seq: counter,
		session: counter,
		model: counter,
		streams: z.array(name).min(1).max(limits.maxStreams),
		arrived: z.number().min(0).max(1),
		tensors,
	}),
	received: z.strictObject({
		...envelope,
		type: z.literal("received"),
		of: z.enum(["weights", "evaluate", "codes", "figures"]),
		epoch: counter,
		seq: counter,
	}),
	refused: z.strictObject({
		...envelope,
		type: z.literal("refused"),
		of: z.enum(deviceMessageTypes).optional(),
		code: errorCode,
		what: text,
		got: text.optional(),
		expected: text.optional(),
		remedy: text.optional(),
		epoch: counter.optional(),
		seq: counter.optional(),
		retry: z.boolean(),
	}),
	end: z.strictObject({
		...envelope,
		type: z.literal("end"),
		reason: z.enum(["finished", "early-stop", "stopped"]),
		epoch: counter,
		model: counter,
		tensors: tensors.optional(),
	}),
	status: z.strictObject({
		...envelope,
		type: z.literal("status"),
		state: z.enum(["online", "offline"]),
		since: z.int().min(0),
		disclosure: disclosure.optional(),
		paused: z
			.array(z.enum(["temperature", "battery", "hours"]))
			.max(3)
			.optional(),
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
