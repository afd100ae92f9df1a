import { PsglError, seededRandom, tensor } from "@psgl/sdk";
import {
	type BatchMessage,
	ChunkAssembler,
	type CodeTensor,
	decodeEnvelope,
	encodeEnvelope,
	type LabelTensor,
	type Message,
	type Received,
	splitIntoChunks,
	type WireTensor,
} from "@psgl/sdk/protocol";
import test from "ava";
import { encode } from "cborg";
import crc32c from "crc-32/crc32c.js";
import fc from "fast-check";
import { ManualClock } from "../helpers/manual-clock.js";
import { samples } from "./protocol-samples.js";

const counter = fc.nat({ max: 0xffff_ffff });
const device = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
const dims = fc.tuple(
	fc.integer({ min: 1, max: 4 }),
	fc.integer({ min: 1, max: 4 }),
	fc.integer({ min: 1, max: 5 }),
	fc.integer({ min: 1, max: 5 }),
);
const finite = fc.float({ noNaN: true, noDefaultInfinity: true });

/** Smashed data in any element type. */
const smashed = fc
	.tuple(dims, fc.constantFrom("float32", "float16", "int8", "code"))
	.chain(([shape, dtype]): fc.Arbitrary<WireTensor | CodeTensor> => {
		const size = shape.reduce((a, b) => a * b);
		const channels = shape[1];
		const many = <T>(value: fc.Arbitrary<T>, length: number) =>
			fc.array(value, { minLength: length, maxLength: length });
		const scales = (length: number) => many(finite, length).map((v) => Float32Array.from(v));
		switch (dtype) {
			case "float32":
				return many(finite, size).map((v) => tensor("float32", shape, Float32Array.from(v)));
			case "float16":
				return fc
					.tuple(many(fc.nat({ max: 0x7bff }), size), scales(1))
					.map(([v, s]) => ({ ...tensor("float16", shape, Uint16Array.from(v)), scale: tensor("float32", [], s) }));
			case "code":
				return fc.integer({ min: 1, max: 8 }).chain((bits) =>
					many(fc.nat({ max: 2 ** bits - 1 }), size).map((v) => ({
						...tensor("uint8", [shape[0], size / shape[0]], Uint8Array.from(v)),
						bits,
					})),
				);
			default:
				return fc
					.tuple(many(fc.integer({ min: -127, max: 127 }), size), scales(channels))
					.map(([v, s]) => ({ ...tensor("int8", shape, Int8Array.from(v)), scale: tensor("float32", [channels], s) }));
		}
	});

/** Class indices of samples, or marks of several labels for each. */
const labelsOf = (samples: number): fc.Arbitrary<LabelTensor> =>
	fc
		.record({ label: fc.nat({ max: 255 }), marks: fc.option(fc.integer({ min: 1, max: 40 })), seed: fc.nat() })
		.map(({ label, marks, seed }) => {
			if (marks === null) return tensor("uint8", [samples], new Uint8Array(samples).fill(label));
			const random = seededRandom(seed);
			const values = Uint8Array.from({ length: samples * marks }, () => random.integer(2));
			return tensor("uint8", [samples, marks], values);
		});

const batch: fc.Arbitrary<BatchMessage> = fc
	.record({ device, epoch: counter, seq: counter, model: counter, smashed })
	.chain(({ smashed: s, ...fields }) =>
		labelsOf(s.dims[0] as number).map((labels) => ({ type: "batch", ...fields, tensors: { smashed: s, labels } })),
	);

const everyMessage: Message[] = Object.values(samples);

function reader(name: string) {
	return new ChunkAssembler({ from: "device", device: name, clock: new ManualClock(), onExpired: () => {} });
}

test("what is encoded is decoded", (t) => {
	fc.assert(fc.property(batch, (message) => t.deepEqual(decodeEnvelope(encodeEnvelope(message)), message)));
});

test("the same message has the same bytes whatever the order of its fields", (t) => {
	fc.assert(
		fc.property(batch, (message) => {
			const turned = Object.fromEntries(Object.entries(message).reverse()) as unknown as BatchMessage;
			t.deepEqual(encodeEnvelope(turned), encodeEnvelope(message));
		}),
	);
});

test("chunks in any order, any number of times, make one message", (t) => {
	const cut = fc.tuple(batch, fc.integer({ min: 330, max: 500 }), fc.infiniteStream(fc.nat()));
	fc.assert(
		fc.property(cut, ([message, size, random]) => {
			const chunks = splitIntoChunks(message, size);
			const keys = random.take(2 * chunks.length);
			// Every chunk twice, shuffled; the message is complete before its copies are.
			const order = [...keys].map((key, i) => ({ key, chunk: chunks[i % chunks.length] as Uint8Array }));
			order.sort((a, b) => a.key - b.key);
			using assembler = reader(message.device);
			const received: Received<Message>[] = [];
			for (const { chunk } of order) {
				const whole = assembler.accept(chunk);
				if (whole) received.push(whole);
			}
			t.true(received.length >= 1 && received.length <= 2);
			for (const { message: whole, missing } of received) {
				t.deepEqual(whole, message);
				t.deepEqual(missing, []);
			}
		}),
	);
});

test("one flipped byte, whichever, is refused", (t) => {
	for (const message of everyMessage) {
		const bytes = encodeEnvelope(message);
		for (let i = 0; i < bytes.length; i++) {
			for (const flip of [0x01, 0x80, 0xff]) {
				const damaged = bytes.slice();
				damaged[i] = (bytes[i] as number) ^ flip;
				const error = t.throws(() => decodeEnvelope(damaged), undefined, `${message.type} byte ${i} ^ ${flip}`);
				t.true(error instanceof PsglError);
			}
		}
	}
});

test("bytes from anywhere raise nothing but psgl's errors", (t) => {
	const sealed = fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 64 })).map(seal);
	const odd = fc
		.tuple(fc.object({ maxDepth: 3 }), fc.uint8Array({ maxLength: 64 }))
		.map(([h, b]) => seal([encode(h), b]));
	const bent = fc
		.tuple(
			fc.constantFrom(...everyMessage),
			fc.string(),
			fc.jsonValue({ maxDepth: 2 }),
			fc.uint8Array({ maxLength: 64 }),
		)
		.map(([message, key, value, body]) => {
			const { tensors: _, body: __, ...fields } = { tensors: 0, body: 0, ...message } as Record<string, unknown>;
			return seal([encode({ ...fields, [key]: value }), body]);
		});
	const bentKnown = fc
		.tuple(fc.constantFrom(...everyMessage), fc.nat(), fc.jsonValue({ maxDepth: 3 }), fc.uint8Array({ maxLength: 64 }))
		.map(([message, which, value, body]) => {
			const keys = [...Object.keys(message), "chunk", "tensors"];
			return seal([encode({ ...message, [keys[which % keys.length] as string]: value }), body]);
		});
	using assembler = reader("ward-3");
	let raised = 0;
	fc.assert(
		fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), sealed, odd, bent, bentKnown), (bytes) => {
			for (const read of [() => decodeEnvelope(bytes), () => assembler.accept(bytes)]) {
				try {
					read();
				} catch (error) {
					raised++;
					if (!(error instanceof PsglError)) throw error;
				}
			}
		}),
		{ numRuns: 3000 },
	);
	t.true(raised > 1000);
});

/** An envelope with a right checksum. */
function seal([header, body]: readonly [Uint8Array, Uint8Array]): Uint8Array {
	return encode([1, header, body, crc32c.buf(body, crc32c.buf(header, 0)) >>> 0]);
}
