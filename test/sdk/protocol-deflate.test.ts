import { tensor } from "@psgl/sdk";
import {
	type BatchMessage,
	ChunkAssembler,
	decodeEnvelope,
	deflateBody,
	encodeEnvelope,
	inflateBody,
	maskFromMissing,
	protocolLimits,
	splitIntoChunks,
	type WireTensor,
} from "@psgl/sdk/protocol";
import test from "ava";
import { deflateSync } from "fflate";
import { ManualClock } from "../helpers/manual-clock.js";

/** A batch whose values repeat, as after a rectifier. */
function batch(smashed: WireTensor): BatchMessage {
	const labels = tensor("uint8", [smashed.dims[0] as number], new Uint8Array(smashed.dims[0] as number));
	return { type: "batch", device: "ward-3", epoch: 1, seq: 2, model: 3, tensors: { smashed, labels } };
}

const values = Float32Array.from({ length: 4 * 3 * 50 }, (_, i) => (i % 5 === 0 ? Math.sin(i) : 0));
const real = batch(tensor("float32", [4, 3, 50], values));
const nibbles = Int8Array.from({ length: 2 * 3 * 5 }, (_, i) => (i % 15) - 7);
const int4: WireTensor = {
	dtype: "int4",
	dims: [2, 3, 5],
	data: nibbles,
	scale: tensor("float32", [3], Float32Array.of(1, 0.5, 0)),
};

test("int4 travels two values in a byte, with a scale for each channel, and comes back the same", (t) => {
	const message = batch(int4);
	const bytes = encodeEnvelope(message);
	t.deepEqual(decodeEnvelope(bytes), message);
	const int8 = encodeEnvelope(batch({ ...int4, dtype: "int8" }));
	// Thirty values, and a size in the header that is one byte shorter.
	t.is(int8.length - bytes.length, 16);
	for (const [i, value] of [8, -9].entries()) {
		const data = nibbles.slice();
		data[i] = value;
		t.throws(() => encodeEnvelope(batch({ ...int4, data })), { code: "PSGL_PROTOCOL_TENSOR" });
	}
});

test("a value of int4 counts as lost with its byte, a channel with its scale", (t) => {
	const descriptor = { name: "smashed", dtype: "int4", dims: [1, 2, 4], offset: 8, bytes: 4 } as const;
	const scale = { offset: 0, bytes: 8 };
	t.deepEqual([...maskFromMissing({ ...descriptor, scale }, [{ offset: 9, bytes: 1 }])], [1, 1, 0, 0, 1, 1, 1, 1]);
	t.deepEqual([...maskFromMissing({ ...descriptor, scale }, [{ offset: 4, bytes: 1 }])], [1, 1, 1, 1, 0, 0, 0, 0]);
});

test("a body travels deflated where that pays, whole and in chunks, and is the same again", (t) => {
	const plain = encodeEnvelope(real);
	const deflated = encodeEnvelope(real, { deflate: true });
	t.true(deflated.length < 0.5 * plain.length);
	t.deepEqual(decodeEnvelope(deflated), real);
	const chunks = splitIntoChunks(real, 400, { deflate: true });
	t.true(chunks.length >= 3);
	const clock = new ManualClock();
	using assembler = new ChunkAssembler({ from: "device", device: "ward-3", clock, onExpired: () => undefined });
	const received = chunks.toReversed().map((chunk) => assembler.accept(chunk));
	t.deepEqual(received.at(-1)?.message, real);
	const noise = Float32Array.from({ length: 600 }, (_, i) => Math.sin(i * i) * 10 ** (i % 7));
	const incompressible = batch(tensor("float32", [4, 3, 50], noise));
	t.true(encodeEnvelope(incompressible, { deflate: true }).length <= encodeEnvelope(incompressible).length);
	// More than the bound on inflation: it is sent as it is.
	const zeros = batch(tensor("float32", [4, 3, 50_000], new Float32Array(600_000)));
	t.is(encodeEnvelope(zeros, { deflate: true }).length, encodeEnvelope(zeros).length);
	t.true(protocolLimits.maxInflation >= 16);
});

test("a request for a decision is never deflated, and one that is is refused", (t) => {
	const infer = {
		type: "infer",
		device: "ward-3",
		seq: 0,
		session: 1,
		model: 0,
		allowPartial: true,
		tensors: { smashed: real.tensors.smashed },
	} as const;
	t.throws(() => decodeEnvelope(encodeEnvelope(infer, { deflate: true })), { code: "PSGL_PROTOCOL_TENSOR" });
});

test("what is not as long as announced, damaged, or a bomb is refused", (t) => {
	const body = new Uint8Array(2000).map((_, i) => (i * i) % 17);
	const deflated = deflateBody(body) as Uint8Array;
	t.deepEqual(inflateBody(deflated, body.length), body);
	const refused = { code: "PSGL_PROTOCOL_DEFLATE" };
	for (const bytes of [1, 1999, 2001]) t.throws(() => inflateBody(deflated, bytes), refused, `${bytes}`);
	t.throws(() => inflateBody(deflated.subarray(0, 20), body.length), refused);
	const zeros = deflateSync(new Uint8Array(1_000_000));
	t.true(1_000_000 / zeros.length > protocolLimits.maxInflation);
	t.throws(() => inflateBody(zeros, 1_000_000), refused);
	t.throws(() => inflateBody(zeros, protocolLimits.maxInflation * zeros.length), refused, "longer than it says");
});
