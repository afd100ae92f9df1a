import { type PsglError, tensor } from "@psgl/sdk";
import {
	ChunkAssembler,
	type ChunkAssemblerOptions,
	type DeviceMessage,
	type Expired,
	encodeEnvelope,
	type InferMessage,
	maskFromMissing,
	PartialBudget,
	protocolLimits,
	splitIntoChunks,
	type TensorDescriptor,
	type WeightsMessage,
} from "@psgl/sdk/protocol";
import test from "ava";
import { decode, encode, rfc8949EncodeOptions } from "cborg";
import crc32c from "crc-32/crc32c.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { samples } from "./protocol-samples.js";

function assembler(options: Partial<ChunkAssemblerOptions<"device">> = {}) {
	const clock = new ManualClock();
	const expired: Expired<DeviceMessage>[] = [];
	const reader = new ChunkAssembler({
		from: "device",
		device: "ward-3",
		clock,
		onExpired: (e) => expired.push(e),
		...options,
	});
	return { reader, clock, expired };
}

const weights = (epoch: number, parameters = 3000): WeightsMessage => ({
	...samples.weights,
	epoch,
	tensors: {
		...samples.weights.tensors,
		params: tensor(
			"float32",
			[parameters],
			Float32Array.from({ length: parameters }, (_, i) => i + epoch),
		),
	},
});

test("a message that fits is one envelope, a longer one several, none over the maximum", (t) => {
	const whole = encodeEnvelope(weights(1));
	t.deepEqual(splitIntoChunks(weights(1), whole.length + 16), [whole]);
	const chunks = splitIntoChunks(weights(1), 2048);
	t.true(chunks.length > 6);
	t.true(chunks.every((chunk) => chunk.length <= 2048));
});

test("the longest body fits the smallest messages", (t) => {
	const body = new Uint8Array(protocolLimits.maxBodyBytes);
	const name = "n".repeat(protocolLimits.maxNameLength);
	const chunks = splitIntoChunks({ ...samples.artifact, name, version: name, body }, protocolLimits.minMessageBytes);
	t.true(chunks.length <= protocolLimits.maxChunks);
	t.true(chunks.every((chunk) => chunk.length <= protocolLimits.minMessageBytes));
});

test("chunks of several messages may be mixed", (t) => {
	const { reader } = assembler();
	const [a, b] = [splitIntoChunks(weights(1), 4096), splitIntoChunks(weights(2), 4096)];
	const epochs: number[] = [];
	for (let i = 0; i < a.length; i++) {
		for (const chunk of [a[i], b[i]]) {
			const received = reader.accept(chunk as Uint8Array);
			if (received) epochs.push((received.message as WeightsMessage).epoch);
		}
	}
	t.deepEqual(epochs, [1, 2]);
});

test("a chunk that comes again after its message was complete starts nothing", async (t) => {
	const { reader, clock, expired } = assembler();
	const chunks = splitIntoChunks(weights(1), 4096);
	t.truthy(chunks.map((chunk) => reader.accept(chunk)).at(-1));
	t.is(reader.accept(chunks[0] as Uint8Array), undefined);
	await clock.advance(protocolLimits.chunkTimeoutMs);
	t.deepEqual(expired, []);
	t.is(clock.sleeping, 0);
	t.truthy(chunks.map((chunk) => reader.accept(chunk)).at(-1), "the whole message again asks for its answer again");
});

test("missing chunks are named when the next one has not come in time", async (t) => {
	const { reader, clock, expired } = assembler({ chunkTimeoutMs: 100 });
	const chunks = splitIntoChunks(weights(5), 4096);
	t.is(chunks.length, 4);
	reader.accept(chunks[0] as Uint8Array);
	await clock.advance(99);
	reader.accept(chunks[2] as Uint8Array);
	await clock.advance(99);
	t.deepEqual(expired, [], "each chunk starts the time anew");
	await clock.advance(1);
	t.is(expired.length, 1);
	t.deepEqual(expired[0]?.identity, { type: "weights", epoch: 5, seq: undefined });
	t.is(expired[0]?.error.code, "PSGL_PROTOCOL_CHUNK_MISSING");
	t.regex(expired[0]?.error.got ?? "", /no chunk 1, 3 within 100 ms/);
	t.is(expired[0]?.partial, undefined);
	t.truthy(chunks.map((chunk) => reader.accept(chunk)).at(-1), "it can be sent again");
});

test("infer with allowPartial goes on with what arrived, and says what did not", async (t) => {
	const { reader, clock, expired } = assembler();
	const chunks = splitIntoChunks(samples.infer, 320);
	t.is(chunks.length, 3);
	reader.accept(chunks[0] as Uint8Array);
	reader.accept(chunks[2] as Uint8Array);
	await clock.advance(protocolLimits.chunkTimeoutMs);
	const partial = expired[0]?.partial;
	if (partial?.mask === undefined) return t.fail("no partial message");
	t.deepEqual(partial.missing, [{ offset: 122, bytes: 122 }]);
	const { tensors } = partial.message as InferMessage;
	const values = tensors.smashed.data as Float32Array;
	const { mask } = partial;
	// Bytes 122..243 are gone: the values 30 (half of it) to 60.
	t.deepEqual(
		[...mask],
		Array.from({ length: 64 }, (_, i) => (i >= 30 && i <= 60 ? 0 : 1)),
	);
	t.true(mask.every((arrived, i) => arrived === 0 || values[i] === i + 1));

	const strict = splitIntoChunks({ ...samples.infer, allowPartial: false, seq: 8 }, 320);
	reader.accept(strict[0] as Uint8Array);
	await clock.advance(protocolLimits.chunkTimeoutMs);
	t.is(expired[1]?.error.code, "PSGL_PROTOCOL_CHUNK_MISSING");
	t.is(expired[1]?.partial, undefined);
});

test("chunks that do not belong together are refused, and the message can be sent again", (t) => {
	const other = weights(1);
	other.tensors.params.data[7] = -1;
	const strangers: Record<string, Uint8Array | undefined> = {
		"another body": splitIntoChunks(other, 4096)[1],
		"another size": splitIntoChunks(weights(1), 4000)[1],
		"another header": splitIntoChunks({ ...weights(1), samples: 1 }, 4096)[1],
	};
	const right = splitIntoChunks(weights(1), 4096);
	for (const [what, stranger] of Object.entries(strangers)) {
		const { reader } = assembler();
		reader.accept(right[0] as Uint8Array);
		t.throws(() => reader.accept(stranger as Uint8Array), { code: "PSGL_PROTOCOL_CHUNK_MISMATCH" }, what);
		t.truthy(right.map((chunk) => reader.accept(chunk)).at(-1), what);
	}
});

test("a sender cannot hold more than its share of incomplete messages", async (t) => {
	const { reader, clock } = assembler();
	for (let epoch = 0; epoch < protocolLimits.maxPartialMessages; epoch++) {
		reader.accept(splitIntoChunks(weights(epoch), 4096)[0] as Uint8Array);
	}
	const next = splitIntoChunks(weights(99), 4096);
	t.throws(() => reader.accept(next[0] as Uint8Array), { code: "PSGL_PROTOCOL_PARTIALS" });
	t.is(clock.sleeping, protocolLimits.maxPartialMessages);
	reader.clear();
	await clock.advance(0);
	t.is(clock.sleeping, 0);
	t.truthy(next.map((chunk) => reader.accept(chunk)).at(-1));
});

test("maxPartialBytes: incomplete messages are bounded by their bytes as well", (t) => {
	const { reader } = assembler({ limits: { maxMessageBytes: 2 ** 26, maxBodyBytes: protocolLimits.maxBodyBytes } });
	const first = (epoch: number) => splitIntoChunks(weights(epoch, 12_000_000), 2 ** 25)[0] as Uint8Array;
	reader.accept(first(1));
	const error = t.throws<PsglError>(() => reader.accept(first(2)), { code: "PSGL_PROTOCOL_PARTIALS" });
	t.is(error?.exitCode, 9);
});

test("all senders together hold no more than the budget: who holds the most gives up, the others finish", (t) => {
	const budget = new PartialBudget(30_000);
	const greedy = assembler({ budget });
	const modest = assembler({ budget });
	const small = splitIntoChunks(weights(1, 1500), 2048);
	for (const chunk of small.slice(0, -1)) modest.reader.accept(chunk);
	const kept = budget.bytes;
	t.is(kept, modest.reader.heldBytes);
	for (const epoch of [1, 2]) {
		for (const chunk of splitIntoChunks(weights(epoch, 5000), 2048).slice(0, -1)) greedy.reader.accept(chunk);
	}
	t.true(budget.bytes <= budget.maxBytes);
	t.deepEqual(
		greedy.expired.map(({ identity, error }) => [identity.epoch, error.code]),
		[[1, "PSGL_PROTOCOL_CROWDED"]],
	);
	t.truthy(modest.reader.accept(small.at(-1) as Uint8Array));
	t.deepEqual(modest.expired, []);
	const again = splitIntoChunks(weights(2, 5000), 2048);
	t.truthy(greedy.reader.accept(again.at(-1) as Uint8Array), "the other one is whole with its last chunk");
	t.is(budget.bytes, 0);
});

test("completedMemory: of so many finished messages copies start nothing, of older ones they do", async (t) => {
	const { reader, clock, expired } = assembler();
	const finish = (epoch: number) => {
		const chunks = splitIntoChunks(weights(epoch), 4096);
		for (const chunk of chunks) reader.accept(chunk);
		return chunks[0] as Uint8Array;
	};
	const copies = Array.from({ length: protocolLimits.completedMemory + 1 }, (_, epoch) => finish(epoch));
	reader.accept(copies[0] as Uint8Array);
	reader.accept(copies[1] as Uint8Array);
	t.is(reader.incomplete, 2);
	await clock.advance(protocolLimits.chunkTimeoutMs);
	t.deepEqual(
		expired.map(({ identity }) => identity.epoch),
		[0],
	);
});

test("late copies of a finished message give way to new ones", (t) => {
	const { reader } = assembler();
	for (let epoch = 0; epoch < protocolLimits.maxPartialMessages; epoch++) {
		const chunks = splitIntoChunks(weights(epoch), 4096);
		for (const chunk of [...chunks, chunks[0]]) reader.accept(chunk as Uint8Array);
	}
	t.truthy(
		splitIntoChunks(weights(99), 4096)
			.map((chunk) => reader.accept(chunk))
			.at(-1),
	);
});

test("only the device whose topic it is may speak, and only a device's words", (t) => {
	const { reader } = assembler();
	const code = "PSGL_PROTOCOL_SENDER";
	t.throws(() => reader.accept(encodeEnvelope({ ...samples.bye, device: "ward-4" })), { code });
	t.throws(() => reader.accept(encodeEnvelope(samples.gradient)), { code });
	t.is(reader.accept(encodeEnvelope(samples.bye))?.message.type, "bye");
	const down = new ChunkAssembler({
		from: "aggregator",
		device: "ward-3",
		clock: new ManualClock(),
		onExpired: () => t.fail(),
	});
	t.is(down.accept(encodeEnvelope(samples.gradient))?.message.type, "gradient");
	t.throws(() => down.accept(encodeEnvelope(samples.bye)), { code });
});

test("a header that cannot fit its announced body is refused at its first chunk", (t) => {
	const { reader, clock } = assembler();
	const [, header, body] = decode(splitIntoChunks(samples.infer, 320)[0] as Uint8Array) as [1, Uint8Array, Uint8Array];
	const fields = decode(header) as { chunk: { total: number; count: number } };
	fields.chunk.total += 4;
	const wrong = encode(fields, rfc8949EncodeOptions);
	const bytes = encode([1, wrong, body, crc32c.buf(body, crc32c.buf(wrong, 0)) >>> 0]);
	t.throws(() => reader.accept(bytes), { code: "PSGL_PROTOCOL_TENSOR" });
	t.is(clock.sleeping, 0);
});

test("a lost scale masks what it scales", (t) => {
	const int8: TensorDescriptor = {
		name: "smashed",
		dtype: "int8",
		dims: [2, 3, 2],
		offset: 12,
		bytes: 12,
		scale: { offset: 0, bytes: 12 },
	};
	// The scale of channel 1 and the last value of sample 0.
	t.deepEqual(
		[
			...maskFromMissing(int8, [
				{ offset: 5, bytes: 2 },
				{ offset: 17, bytes: 1 },
			]),
		],
		[1, 1, 0, 0, 1, 0, 1, 1, 0, 0, 1, 1],
	);
	const float16: TensorDescriptor = { ...int8, dtype: "float16", offset: 4, bytes: 24, scale: { offset: 0, bytes: 4 } };
	t.true(maskFromMissing(float16, [{ offset: 3, bytes: 1 }]).every((m) => m === 0));
	t.deepEqual([...maskFromMissing(float16, [{ offset: 7, bytes: 2 }])].slice(0, 4), [1, 0, 0, 1]);
	t.true(maskFromMissing(float16, []).every((m) => m === 1));
});
