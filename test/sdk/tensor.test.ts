import { ShapeError, tensor, tensorBytes, tensorFromBytes } from "@psgl/sdk";
import test from "ava";

test("bytes of a Buffer are copied out of the memory it shares", (t) => {
	const shared = Buffer.from(new ArrayBuffer(16));
	shared.writeFloatLE(1.5, 4);
	const read = tensorFromBytes("float32", [1], shared.subarray(4, 8));
	shared.fill(0);
	t.deepEqual(read.data, Float32Array.of(1.5));
});

test("bytes at an odd offset are read", (t) => {
	const bytes = new Uint8Array(9);
	bytes.set(tensorBytes(tensor("float64", [], Float64Array.of(-2.25))), 1);
	t.deepEqual(tensorFromBytes("float64", [], bytes.subarray(1)).data, Float64Array.of(-2.25));
});

test("a view's bytes are its own values only", (t) => {
	const values = Int32Array.of(1, 2, 3, 4).subarray(1, 3);
	const bytes = tensorBytes(tensor("int32", [2], values));
	t.deepEqual(tensorFromBytes("int32", [2], bytes).data, Int32Array.of(2, 3));
});

test("a length that does not fit the shape is refused", (t) => {
	const expectation = { instanceOf: ShapeError, code: "PSGL_TENSOR_LENGTH" };
	t.throws(() => tensor("float32", [2, 3], new Float32Array(5)), { ...expectation, message: /5 values; expected 6/ });
	t.throws(() => tensorFromBytes("int64", [2], new Uint8Array(15)), {
		...expectation,
		message: /15 bytes; expected 16/,
	});
});
