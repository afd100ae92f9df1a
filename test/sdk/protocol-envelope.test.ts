import { ConfigError, type PsglError, scalar, tensor } from "@psgl/sdk";
import {
	type BatchMessage,
	decodeEnvelope,
	encodeEnvelope,
	identify,
	type Message,
	type MessageType,
	protocolLimits,
	protocolVersion,
	type RefusedMessage,
	refusalError,
	refuse,
	requireFinite,
	splitIntoChunks,
} from "@psgl/sdk/protocol";
import test from "ava";
import { decode, encode, rfc8949EncodeOptions } from "cborg";
import crc32c from "crc-32/crc32c.js";
import { samples } from "./protocol-samples.js";

const limits = { maxMessageBytes: 4096, maxBodyBytes: 2048 };

/** An envelope around any header and body, with a right checksum: what a hostile device can send. */
function envelope(header: unknown, body: Uint8Array = new Uint8Array(0), version = protocolVersion): Uint8Array {
	const head = header instanceof Uint8Array ? header : encode(header, rfc8949EncodeOptions);
	const crc = crc32c.buf(body, crc32c.buf(head, 0)) >>> 0;
	return encode([version, head, body, crc]);
}

const batchHeader = (changes: Record<string, unknown> = {}, smashed: Record<string, unknown> = {}) => ({
	type: "batch",
	device: "ward-3",
	epoch: 1,
	seq: 0,
	model: 0,
	tensors: [
		{ name: "smashed", dtype: "float32", dims: [2, 1], offset: 0, bytes: 8, ...smashed },
		{ name: "labels", dtype: "uint8", dims: [2], offset: 8, bytes: 2 },
	],
	...changes,
});

test("the hand-made envelope of these tests is a right one", (t) => {
	t.is(decodeEnvelope(envelope(batchHeader(), new Uint8Array(10))).type, "batch");
});

test("an unknown protocol version is named, with the one that is known", (t) => {
	for (const bytes of [envelope(batchHeader(), new Uint8Array(10), 2), encode([7, "another shape"])]) {
		const error = t.throws<PsglError>(() => decodeEnvelope(bytes), { code: "PSGL_PROTOCOL_VERSION" });
		t.is(error?.expected, "version 1");
	}
});

const malformed: Record<string, Uint8Array> = {
	nothing: new Uint8Array(0),
	text: new TextEncoder().encode("hello broker"),
	"an empty array": encode([]),
	"three items": encode([1, new Uint8Array(1), new Uint8Array(0)]),
	"a map for the header": encode([1, {}, new Uint8Array(0), 0]),
	"a text for the body": encode([1, new Uint8Array(0), "", 0]),
	"a negative checksum": encode([1, new Uint8Array(0), new Uint8Array(0), -1]),
	"bytes after the end": Uint8Array.of(...encodeEnvelope(samples.bye), 0),
	"a cut-off message": encodeEnvelope(samples.bye).subarray(0, 20),
	"a header that is no CBOR": envelope(Uint8Array.of(0xff)),
	"a header with indefinite length": envelope(Uint8Array.of(0xbf, 0xff)),
	"a header with a key twice": envelope(Uint8Array.of(0xa2, 0x61, 0x61, 1, 0x61, 0x61, 2)),
	"a length longer than it need be": envelope(Uint8Array.of(0xb8, 1, 0x61, 0x61, 1)),
	"a NaN in a header": envelope({ ...samples.weights, tensors: [], localLoss: Number.NaN }),
	"a header nested a thousand deep": envelope(new Uint8Array(8000).fill(0x81)),
	"a count of items longer than it need be": Uint8Array.of(0x98, 4, ...encodeEnvelope(samples.bye).subarray(1)),
	"a byte string in eight bytes of length": Uint8Array.of(0x84, 1, 0x5b, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0x40, 0),
	"a header longer than what is there": Uint8Array.of(0x84, 1, 0x5a, 0x7f, 0xff, 0xff, 0xff, 0),
	"a million empty arrays for a header": Uint8Array.of(0x84, 1, 0x99, 0xff, 0xff, ...new Uint8Array(4000).fill(0x80)),
};

for (const [what, bytes] of Object.entries(malformed)) {
	test(`malformed: ${what}`, (t) => {
		t.throws(() => decodeEnvelope(bytes, { maxMessageBytes: 10_000, maxBodyBytes: 10_000 }), {
			code: "PSGL_PROTOCOL_MALFORMED",
		});
	});
}

test("an envelope is deterministic CBOR whatever its length", (t) => {
	for (const length of [0, 1, 23, 24, 255, 256, 65_535, 65_536, 70_000]) {
		const message = { ...samples.artifact, body: Uint8Array.from({ length }, (_, i) => i) } as Message;
		const bytes = encodeEnvelope(message);
		const items = decode(bytes, { strict: true }) as unknown[];
		t.deepEqual(bytes, new Uint8Array(encode(items, rfc8949EncodeOptions)));
		t.deepEqual(decodeEnvelope(bytes), message);
	}
});

test("a wrong checksum is named", (t) => {
	const bytes = encodeEnvelope(samples["batch-float32"]);
	bytes[bytes.length - 10] = 0xff;
	t.throws(() => decodeEnvelope(bytes), { code: "PSGL_PROTOCOL_CHECKSUM" });
});

const wrongHeaders: Record<string, unknown> = {
	"no map": [1, 2],
	"no type": { device: "a" },
	"an unknown type": { type: "firmware", device: "a" },
	"a type of Object.prototype": { type: "constructor", device: "a" },
	"an unknown field": { ...samples.bye, also: 1 },
	"a missing field": { type: "bye", device: "a" },
	"a device id with a slash": { ...samples.bye, device: "a/b" },
	"an empty device id": { ...samples.bye, device: "" },
	"a negative epoch": { ...samples.received, epoch: -1 },
	"a fractional epoch": { ...samples.received, epoch: 1.5 },
	"no tensors": batchHeader({ tensors: [] }),
	"an element type that does not travel": batchHeader({}, { dtype: "float64" }),
	"one chunk of one": { ...samples.bye, chunk: { index: 0, count: 1, offset: 0, total: 0, crc: 0 } },
};

for (const [what, header] of Object.entries(wrongHeaders)) {
	test(`a header with ${what} is refused`, (t) => {
		t.throws(() => decodeEnvelope(envelope(header)), { code: "PSGL_PROTOCOL_HEADER" });
	});
}

const aTensor = batchHeader().tensors[0];
/** A header that reaches a limit. Where it fits no message, another check finds that. */
const reaching: Record<string, (size: number) => unknown> = {
	maxWindow: (window) => ({ ...samples.hello, window }),
	maxTensors: (count) => batchHeader({ tensors: Array(count).fill(aTensor) }),
	maxRank: (rank) => batchHeader({}, { dims: Array(rank).fill(1) }),
	maxDimension: (size) => batchHeader({}, { dims: [size, 1] }),
	maxTextLength: (length) => ({ ...samples.bye, reason: "x".repeat(length) }),
	maxNameLength: (length) => ({ ...samples.bye, device: "a".repeat(length) }),
	maxArtifacts: (count) => ({ ...samples.hello, artifacts: Array(count).fill(samples.hello.artifacts[0]) }),
	maxStreams: (count) => ({ ...batchHeader(), type: "gradient", losses: Array(count).fill(0) }),
	maxClasses: (classes) => ({ ...samples.hello, classes }),
	maxCounter: (epoch) => ({ ...samples.received, epoch }),
	maxMessageBytes: (maxMessageBytes) => ({ ...samples.hello, maxMessageBytes }),
	maxChunks: (count) => ({ ...samples.bye, chunk: { index: 0, count, offset: 0, total: 8, crc: 0 } }),
};

const headerCode = (header: unknown): unknown => {
	try {
		decodeEnvelope(envelope(header));
	} catch (error) {
		return (error as PsglError).code;
	}
	return undefined;
};

for (const [name, header] of Object.entries(reaching)) {
	test(`${name}: a header that reaches it is taken, one beyond it refused`, (t) => {
		const most = protocolLimits[name as keyof typeof protocolLimits];
		t.not(headerCode(header(most)), "PSGL_PROTOCOL_HEADER");
		t.is(headerCode(header(most + 1)), "PSGL_PROTOCOL_HEADER");
	});
}

test("minMessageBytes: a smaller maximum cannot be negotiated", (t) => {
	const { minMessageBytes } = protocolLimits;
	t.is(headerCode({ ...samples.hello, maxMessageBytes: minMessageBytes }), undefined);
	t.is(headerCode({ ...samples.hello, maxMessageBytes: minMessageBytes - 1 }), "PSGL_PROTOCOL_HEADER");
});

const [smashed, labels] = batchHeader().tensors;
const wrongTensors: Record<string, [header: unknown, bodyBytes: number]> = {
	"a shape that does not fit its bytes": [batchHeader({}, { dims: [2, 2] }), 10],
	"an element type that does not fit its bytes": [
		batchHeader({}, { dtype: "int8", scale: { offset: 0, bytes: 4 } }),
		10,
	],
	"a body that is too short": [batchHeader(), 9],
	"a body that is too long": [batchHeader(), 11],
	"a gap": [batchHeader({}, { offset: 1 }), 11],
	"the wrong order": [batchHeader({ tensors: [labels, smashed] }), 10],
	"a tensor twice": [batchHeader({ tensors: [smashed, smashed] }), 16],
	"a tensor missing": [batchHeader({ tensors: [smashed] }), 8],
	"another batch size in the labels": [batchHeader({}, { dims: [1, 2] }), 10],
	"labels for smashed data": [batchHeader({}, { dtype: "uint8", dims: [8] }), 10],
	"marks of labels of rank 3": [batchHeader({ tensors: [smashed, { ...labels, dims: [2, 1, 1] }] }), 10],
	"marks of labels in int32": [
		batchHeader({ tensors: [smashed, { ...labels, dtype: "int32", dims: [2, 2], bytes: 16 }] }),
		24,
	],
	"marks of no label": [batchHeader({ tensors: [smashed, { ...labels, dims: [2, 0], bytes: 0 }] }), 8],
	"marks for another number of samples": [batchHeader({ tensors: [smashed, { ...labels, dims: [1, 2] }] }), 10],
	"an empty batch": [batchHeader({}, { dims: [0, 1], bytes: 0 }), 2],
	"int8 without its scale": [batchHeader({}, { dtype: "int8", dims: [2, 4] }), 10],
	"float32 with a scale": [batchHeader({}, { offset: 4, scale: { offset: 0, bytes: 4 } }), 14],
	"a code without its bits": [batchHeader({}, { dtype: "code", dims: [2, 4] }), 10],
	"bits of real numbers": [batchHeader({}, { bits: 4 }), 10],
	"a code of rank 3": [batchHeader({}, { dtype: "code", bits: 8, dims: [2, 2, 2] }), 10],
	"a code with a scale": [
		batchHeader({}, { dtype: "code", bits: 8, dims: [2, 4], offset: 4, scale: { offset: 0, bytes: 4 } }),
		14,
	],
	"a code that does not fit its bytes": [batchHeader({}, { dtype: "code", bits: 7, dims: [2, 4] }), 10],
	"a code as a gradient": [
		{
			...samples.gradient,
			tensors: [{ name: "cutGradient", dtype: "code", bits: 8, dims: [2, 4], offset: 0, bytes: 8 }],
		},
		8,
	],
	"codes that are real numbers": [{ ...samples.codes, tensors: batchHeader().tensors }, 10],
	"a body where none belongs": [samples.bye, 1],
	"weights of rank 2": [
		{
			...samples.weights,
			tensors: ["params", "stats", "head"].map((name) => ({
				name,
				dtype: "float32",
				dims: [0, 0],
				offset: 0,
				bytes: 0,
			})),
		},
		0,
	],
};

for (const [what, [header, bodyBytes]] of Object.entries(wrongTensors)) {
	test(`tensors with ${what} are refused`, (t) => {
		t.throws(() => decodeEnvelope(envelope(header, new Uint8Array(bodyBytes))), { code: "PSGL_PROTOCOL_TENSOR" });
	});
}

test("an index that its bits cannot hold is not sent, and bits after the last index are not taken", (t) => {
	const code = "PSGL_PROTOCOL_TENSOR";
	const { tensors: sent, ...fields } = samples["batch-code"];
	const smashed = { ...sent.smashed, data: Uint8Array.of(0, 1, 2, 3, 8, 5, 6, 7, 5) };
	t.throws(() => encodeEnvelope({ ...fields, tensors: { ...sent, smashed } }), { code });
	const header = batchHeader({}, { dtype: "code", bits: 3, dims: [2, 1], bytes: 1 });
	const [, labels] = header.tensors;
	const sealed = (first: number) =>
		envelope({ ...header, tensors: [header.tensors[0], { ...labels, offset: 1 }] }, Uint8Array.of(first, 0, 1));
	t.deepEqual((decodeEnvelope(sealed(0b00_101_011)) as BatchMessage).tensors.smashed.data, Uint8Array.of(3, 5));
	t.throws(() => decodeEnvelope(sealed(0b01_101_011)), { code });
});

test("what is over a limit is refused", (t) => {
	const code = "PSGL_PROTOCOL_TOO_LARGE";
	t.throws(() => decodeEnvelope(new Uint8Array(4097), limits), { code });
	t.throws(() => decodeEnvelope(envelope(samples.artifact, new Uint8Array(2049)), limits), { code });
	t.throws(() => decodeEnvelope(envelope(new Uint8Array(protocolLimits.maxHeaderBytes + 1))), { code });
	const chunk = { index: 0, count: 2, offset: 0, total: 2049, crc: 0 };
	const { body: _, ...artifact } = samples.artifact;
	t.throws(() => decodeEnvelope(envelope({ ...artifact, chunk }, new Uint8Array(1025)), limits), { code });
	const body = new Uint8Array(protocolLimits.maxBodyBytes + 1);
	t.throws(() => encodeEnvelope({ ...samples.artifact, body }), { code });
	t.throws(() => splitIntoChunks({ ...samples.artifact, body }, 1_000_000), { code });
	t.throws(() => splitIntoChunks(samples["batch-float32"], 100), { code });
	const wordy = {
		...samples.refused,
		got: "\u{1f9e0}".repeat(256),
		expected: "€".repeat(512),
		remedy: "€".repeat(512),
	};
	t.notThrows(() => encodeEnvelope({ ...wordy, what: "€".repeat(512) }));
});

test("a chunk is no message", (t) => {
	const [first] = splitIntoChunks(samples.infer, 320);
	t.throws(() => decodeEnvelope(first as Uint8Array), { code: "PSGL_PROTOCOL_CHUNK_UNEXPECTED" });
});

test("NaN and infinity are refused, sent or received, in values and scales", (t) => {
	const code = "PSGL_PROTOCOL_NOT_FINITE";
	for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
		const message = {
			...samples["batch-float32"],
			tensors: {
				...samples["batch-float32"].tensors,
				smashed: tensor("float32", [2, 1, 1, 2], Float32Array.of(1, 2, value, 3)),
			},
		};
		const error = t.throws<PsglError>(() => encodeEnvelope(message), { code });
		t.regex(error?.got ?? "", /index 2 of shape \[2,1,1,2\]/);
		const body = new Uint8Array(new Float32Array([0, value]).buffer);
		t.throws(() => decodeEnvelope(envelope(batchHeader(), Uint8Array.of(...body, 0, 0))), { code });
		t.throws(() => requireFinite(tensor("float64", [1], Float64Array.of(value)), "x"), { code });
		t.throws(() => requireFinite({ ...tensor("int8", [1, 1], Int8Array.of(1)), scale: scalar(value) }, "x"), { code });
	}
	for (const pattern of [0x7c00, 0xfc00, 0x7e00, 0xffff]) {
		t.throws(() => requireFinite(tensor("float16", [2], Uint16Array.of(0, pattern)), "x"), { code });
	}
	t.notThrows(() => requireFinite(tensor("float16", [3], Uint16Array.of(0x7bff, 0xfbff, 0x0001)), "x"));
	t.notThrows(() => requireFinite(tensor("float32", [2], Float32Array.of(3.4e38, -1e-45)), "x"));
	t.notThrows(() => requireFinite(tensor("int64", [1], BigInt64Array.of(1n)), "x"));
});

test("a sender's own mistakes are found before they travel", (t) => {
	const { tensors, ...fields } = samples["batch-int8"];
	const { scale, ...unscaled } = tensors.smashed;
	const wrongScale = { ...unscaled, scale: tensor("float32", [2], Float32Array.of(1, 1)) };
	const code = "PSGL_PROTOCOL_TENSOR";
	t.is(scale.data.length, 3);
	t.throws(() => encodeEnvelope({ ...fields, tensors: { ...tensors, smashed: unscaled } }), { code });
	t.throws(() => encodeEnvelope({ ...fields, tensors: { ...tensors, smashed: wrongScale } }), { code });
	t.throws(() => encodeEnvelope({ ...samples.bye, device: "a b" }), { code: "PSGL_PROTOCOL_HEADER" });
});

test("a refusal carries an error to the other side, and says what may be sent again", (t) => {
	const damaged = encodeEnvelope(samples["batch-int8"]);
	const nan = envelope(batchHeader({ seq: 9 }), Uint8Array.of(0, 0, 0xc0, 0x7f, 0, 0, 0, 0, 0, 0));
	t.deepEqual(identify(nan), { type: "batch", epoch: 1, seq: 9 });
	const error = t.throws<PsglError>(() => decodeEnvelope(nan));
	const refused = decodeEnvelope(encodeEnvelope(refuse("ward-3", error as PsglError, identify(nan)))) as RefusedMessage;
	t.like(refused, { of: "batch", epoch: 1, seq: 9, code: "PSGL_PROTOCOL_NOT_FINITE", retry: false });
	t.is(refusalError(refused).code, "PSGL_PROTOCOL_NOT_FINITE");
	t.regex(refusalError(refused).message, /refused a batch message: smashed holds a value that is not finite/);

	damaged[40] = (damaged[40] as number) ^ 1;
	t.is(identify(damaged), undefined);
	const checksum = t.throws<PsglError>(() => decodeEnvelope(damaged));
	t.true(refuse("ward-3", checksum as PsglError).retry);
	const long = new ConfigError("PSGL_TEST", { what: "x".repeat(2000) });
	t.is(refuse("ward-3", long).what.length, protocolLimits.maxTextLength);
});

test("every type of message has a sample", (t) => {
	const types = new Set(Object.values<Message>(samples).map(({ type }) => type));
	const all: Record<MessageType, true> = {
		hello: true,
		batch: true,
		evaluate: true,
		codes: true,
		forward: true,
		backward: true,
		figures: true,
		weights: true,
		infer: true,
		resume: true,
		health: true,
		desired: true,
		reported: true,
		bye: true,
		welcome: true,
		artifact: true,
		round: true,
		gradient: true,
		features: true,
		credit: true,
		scores: true,
		received: true,
		refused: true,
		end: true,
		status: true,
	};
	t.deepEqual([...types].sort(), Object.keys(all).sort() as MessageType[]);
});

test("a device may pause for every reason there is at once", (t) => {
	const status = {
		type: "status",
		device: "device-1",
		state: "online",
		since: 1,
		paused: ["temperature", "battery", "hours", "storage"],
	} as const;
	t.like(decodeEnvelope(encodeEnvelope(status)), { paused: status.paused });
});
