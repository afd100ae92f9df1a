import { readdirSync, readFileSync } from "node:fs";
import { type Random, tensor } from "@psgl/sdk";
import { WorkGate } from "@psgl/sdk/budget";
import { type BatchMessage, ChunkAssembler, checksum, decodeEnvelope, encodeEnvelope } from "@psgl/sdk/protocol";
import { DeviceTwin } from "@psgl/sdk/twin";
import { decode, encode } from "cborg";
import { deflateSync, inflateSync } from "fflate";
import { ManualClock } from "../../helpers/manual-clock.js";
import type { FuzzTarget } from "../fuzz-target.js";
import { mutateTree } from "../mutate-tree.js";
import { type Mutation, mutations, pick } from "../mutations.js";

const folder = new URL("../../../../test/fixtures/protocol/", import.meta.url);

/** Envelopes of every type, as the fixtures of the protocol have them. */
function envelopes(wanted: RegExp): Uint8Array[] {
	const names = readdirSync(folder).filter((name) => wanted.test(name));
	return names.map((name) => Buffer.from(readFileSync(new URL(name, folder), "utf8").replaceAll(/\s/g, ""), "hex"));
}

/** Header and body with whatever is wrong about them, under a checksum that is right. */
function sealed(header: Uint8Array, body: Uint8Array): Uint8Array {
	return encode([1, header, body, checksum(header, body)]);
}

/** An envelope's header and body; undefined where the bytes are no envelope any more. */
function opened(bytes: Uint8Array): readonly [header: Uint8Array, body: Uint8Array] | undefined {
	try {
		const items = decode(bytes) as unknown[];
		const [, header, body] = items;
		return header instanceof Uint8Array && body instanceof Uint8Array ? [header, body] : undefined;
	} catch {
		return undefined;
	}
}

function reseal(bytes: Uint8Array): Uint8Array {
	const parts = opened(bytes);
	return parts === undefined ? bytes : sealed(...parts);
}

const changeFields: Mutation = (bytes, random) =>
	inside(bytes, (header, body) => [encode(mutateTree(decode(header), random)), body]);

const changeHeaderBytes: Mutation = (bytes, random, seeds) =>
	inside(bytes, (header, body) => [general(random)(header, random, seeds), body]);

const changeBody: Mutation = (bytes, random, seeds) =>
	inside(bytes, (header, body) => [header, general(random)(body, random, seeds)]);

const general = (random: Random) => pick(random, mutations);

function inside(
	bytes: Uint8Array,
	change: (header: Uint8Array, body: Uint8Array) => readonly [Uint8Array, Uint8Array],
): Uint8Array {
	const parts = opened(bytes);
	if (parts === undefined) return bytes;
	try {
		return sealed(...change(...parts));
	} catch {
		// CBOR that cannot be written, or a header that cannot be read any more.
		return bytes;
	}
}

const own = [changeFields, changeFields, changeHeaderBytes, changeBody];

/** One envelope, read as a device's and as the aggregator's. */
export async function envelopeTarget(): Promise<FuzzTarget> {
	return { seeds: envelopes(/^(?!.*chunk).*\.hex$/), mutations: own, reseal, read: (bytes) => decodeEnvelope(bytes) };
}

/** Batches in each element type, two values in five zeros, deflated as devices send them. */
function deflatedBatches(): Uint8Array[] {
	const values = Array.from({ length: 4 * 3 * 50 }, (_, i) => (i % 5 < 2 ? 0 : (i * 7) % 15) - 7);
	const labels = tensor("uint8", [4], Uint8Array.of(0, 1, 0, 1));
	const scale = tensor("float32", [3], Float32Array.of(1, 0.5, 0));
	const batch = { type: "batch", device: "ward-3", epoch: 1, seq: 2, model: 3 } as const;
	const dims = [4, 3, 50];
	const messages: BatchMessage[] = [
		{ ...batch, tensors: { smashed: tensor("float32", dims, Float32Array.from(values)), labels } },
		...(["int8", "int4"] as const).map((dtype) => ({
			...batch,
			tensors: { smashed: { dtype, dims, data: Int8Array.from(values), scale }, labels },
		})),
	];
	return messages.map((message) => encodeEnvelope(message, { deflate: true }));
}

/** What was deflated, changed and deflated again. */
const changeInflated: Mutation = (bytes, random, seeds) =>
	inside(bytes, (header, body) => [header, deflateSync(general(random)(inflateSync(body), random, seeds))]);

/** Envelopes whose bodies were deflated: damaged streams, and headers that announce other lengths. */
export async function deflateTarget(): Promise<FuzzTarget> {
	return {
		seeds: deflatedBatches(),
		mutations: [...own, changeInflated],
		reseal,
		read: (bytes) => decodeEnvelope(bytes),
	};
}

/** Both messages of a device's twin. What is wanted is applied as a device does, whose report must travel whatever was wanted. */
export async function twinTarget(): Promise<FuzzTarget> {
	const clock = new ManualClock();
	return {
		seeds: envelopes(/^(desired|reported)/),
		mutations: own,
		reseal,
		async read(bytes) {
			const message = decodeEnvelope(bytes);
			if (message.type !== "desired") return;
			const gate = new WorkGate({ budget: {}, host: undefined, clock });
			const twin = await DeviceTwin.open({ device: "ward-3", store: undefined, gate });
			await twin.take(message);
			twin.apply();
			await gate.look();
			const told = twin.report({ records: 0, releases: 0, bits: 0, mostBits: 0, mostEpsilon: 0, leftOut: 0 });
			if (decodeEnvelope(encodeEnvelope(told)).type !== "reported") throw new Error("the report is another message");
		},
	};
}

/** Chunks of one sender after each other, each with its length before it. */
export async function chunksTarget(): Promise<FuzzTarget> {
	const chunks = envelopes(/^infer-chunk/);
	return {
		seeds: [sequence(chunks), sequence([...chunks].reverse()), sequence([...chunks, ...chunks])],
		mutations: [
			(bytes, random, seeds) => {
				const parts = cut(bytes);
				const at = random.integer(parts.length + 1);
				const part = parts[at];
				if (part !== undefined) parts[at] = reseal(pick(random, own)(part, random, seeds));
				return sequence(parts);
			},
			(bytes, random) => {
				const parts = cut(bytes);
				return sequence(Array.from(random.permutation(parts.length), (i) => parts[i] as Uint8Array));
			},
		],
		read(bytes) {
			const clock = new ManualClock();
			using assembler = new ChunkAssembler({ from: "device", device: "ward-3", clock, onExpired: () => undefined });
			for (const part of cut(bytes)) assembler.accept(part);
		},
	};
}

function sequence(parts: readonly Uint8Array[]): Uint8Array {
	return Buffer.concat(
		parts.flatMap((part) => {
			const length = Buffer.alloc(2);
			length.writeUInt16LE(part.length);
			return [length, part];
		}),
	);
}

function cut(bytes: Uint8Array): Uint8Array[] {
	const parts: Uint8Array[] = [];
	for (let at = 0; at + 2 <= bytes.length; ) {
		const end = at + 2 + ((bytes[at] as number) | ((bytes[at + 1] as number) << 8));
		parts.push(bytes.subarray(at + 2, end));
		at = end;
	}
	return parts;
}
