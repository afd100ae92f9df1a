import { createHash } from "node:crypto";
import { DataError, type Tensor, tensorBytes, tensorFromBytes } from "@psgl/sdk";
import { z } from "zod";

type Vector = Tensor<"float32">;

/** Flat vectors and facts of a run between two rounds. */
export interface Checkpoint<Facts> {
	readonly facts: Facts;
	readonly vectors: Readonly<Record<string, Vector>>;
}

const magic = "PSGL checkpoint 1\n";
const digestBytes = 32;

const header = z.strictObject({
	facts: z.unknown(),
	vectors: z.array(z.strictObject({ name: z.string(), dims: z.array(z.int().min(0)).max(4) })),
});

/** The bytes of a checkpoint: a line that names the format, length and JSON of the header, the vectors, SHA-256 of all that. */
export function encodeCheckpoint<Facts>({ facts, vectors }: Checkpoint<Facts>): Uint8Array {
	const entries = Object.entries(vectors);
	const json = Buffer.from(
		JSON.stringify({ facts, vectors: entries.map(([name, v]) => ({ name, dims: [...v.dims] })) } satisfies z.infer<
			typeof header
		>),
	);
	const length = Buffer.alloc(4);
	length.writeUInt32LE(json.length);
	const content = Buffer.concat([Buffer.from(magic), length, json, ...entries.map(([, v]) => tensorBytes(v))]);
	return Buffer.concat([content, createHash("sha256").update(content).digest()]);
}

/** @throws DataError `PSGL_CHECKPOINT_DAMAGED`, `PSGL_CHECKPOINT_FORMAT`. */
export function decodeCheckpoint<Facts>(bytes: Uint8Array, facts: z.ZodType<Facts>): Checkpoint<Facts> {
	const content = Buffer.from(bytes.buffer, bytes.byteOffset, Math.max(bytes.byteLength - digestBytes, 0));
	const digest = createHash("sha256").update(content).digest();
	if (bytes.byteLength < digestBytes || !digest.equals(bytes.subarray(bytes.byteLength - digestBytes))) {
		throw damaged(`${bytes.byteLength} bytes with another digest`);
	}
	if (content.subarray(0, magic.length).toString() !== magic) throw wrongFormat("another first line");
	const start = magic.length + 4;
	if (content.length < start) throw wrongFormat("an end before the header");
	const end = start + content.readUInt32LE(magic.length);
	const parsed = header.safeParse(parseHeader(content.subarray(start, end)));
	if (!parsed.success) throw wrongFormat(parsed.error.issues[0]?.message ?? "another header");
	const known = facts.safeParse(parsed.data.facts);
	if (!known.success) throw wrongFormat(known.error.issues[0]?.message ?? "other facts");
	const vectors: Record<string, Vector> = {};
	let at = end;
	for (const { name, dims } of parsed.data.vectors) {
		const length = 4 * dims.reduce((a, b) => a * b, 1);
		vectors[name] = tensorFromBytes("float32", dims, content.subarray(at, at + length));
		at += length;
	}
	return { facts: known.data, vectors };
}

/** The digest says the bytes are as they were written, not that this program wrote them. */
function parseHeader(json: Buffer): unknown {
	try {
		return JSON.parse(json.toString());
	} catch (cause) {
		throw wrongFormat(`a header that is no JSON: ${(cause as Error).message}`);
	}
}

function damaged(got: string): DataError {
	return new DataError("PSGL_CHECKPOINT_DAMAGED", {
		what: "the checkpoint is damaged",
		got,
		expected: "content that fits its SHA-256",
		remedy: "Remove the file to start from the artifact's weights",
	});
}

function wrongFormat(got: string): DataError {
	return new DataError("PSGL_CHECKPOINT_FORMAT", {
		what: "this is no checkpoint that this version of psgl reads",
		got,
		expected: "a checkpoint of format 1",
		remedy: "Remove the file to start from the artifact's weights, or use the version of psgl that wrote it",
	});
}
