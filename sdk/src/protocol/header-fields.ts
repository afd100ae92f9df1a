import { z } from "zod";
import { protocolLimits as limits } from "./limits.js";
import { wireDTypes } from "./tensors.js";
import { deviceIdPattern } from "./topics.js";

export const counter = z.int().min(0).max(limits.maxCounter);
const bytes = z.int().min(0).max(limits.maxBodyBytes);
export const text = z.string().max(limits.maxTextLength);
export const name = z.string().min(1).max(limits.maxNameLength);
export const digest = z.string().regex(/^[0-9a-f]{64}$/);
export const wireDtype = z.enum(wireDTypes);
export const messageBytes = z.int().min(limits.minMessageBytes).max(limits.maxMessageBytes);
export const errorCode = z.string().regex(/^PSGL_[A-Z0-9_]{1,60}$/);
export const rate = z.number().min(0).max(1000);

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

export const releases = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

/** Totals of a device's disclosure ledger. */
export const disclosure = z.strictObject({
	records: releases,
	releases,
	bits: z.number().min(0),
	mostBits: z.number().min(0),
	mostEpsilon: z.number().min(0),
	budgetBits: z.number().min(0).optional(),
	leftOut: releases,
});

/** Settings of a device's twin. */
export const twinValues = z.record(name, z.union([z.number(), z.boolean(), text, z.array(name).max(16)]));

export const envelope = {
	device: z.string().regex(deviceIdPattern),
	chunk: chunk.optional(),
	inflated: z.int().min(1).max(limits.maxBodyBytes).optional(),
};
export const tensors = z.array(descriptor).min(1).max(limits.maxTensors);
