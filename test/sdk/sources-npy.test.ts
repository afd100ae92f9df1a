import { DataError } from "@psgl/sdk";
import { type NpyArray, parseNpy } from "@psgl/sdk/sources";
import test, { type ExecutionContext } from "ava";
import { npyBytes, npyText, npyWithHeader } from "../helpers/write-npz.js";

const refuses = (t: ExecutionContext, code: string, bytes: Uint8Array, got?: RegExp) => {
	const error = t.throws(() => parseNpy(bytes, "a.npz: x"), { instanceOf: DataError, code });
	t.regex(error.message, /a\.npz: x/);
	t.is(error.exitCode, 3);
	if (got) t.regex(error.got ?? "", got);
};

const numbers = (array: NpyArray): number[] => {
	if (typeof array === "string" || !("data" in array)) throw new TypeError("not a tensor");
	return Array.from(array.data as ArrayLike<number | bigint>, Number);
};

const plainTypes = [
	{ descr: "|u1", values: Uint8Array.of(0, 1, 255), dtype: "uint8" },
	{ descr: "|i1", values: Int8Array.of(-128, 0, 127), dtype: "int8" },
	{ descr: "|b1", values: Uint8Array.of(1, 0, 1), dtype: "bool" },
	{ descr: "<u2", values: Uint16Array.of(0, 1, 65535), dtype: "int32" },
	{ descr: "<i2", values: Int16Array.of(-32768, 0, 32767), dtype: "int32" },
	{ descr: "<u4", values: Uint32Array.of(0, 1, 4294967295), dtype: "int64" },
	{ descr: "<i4", values: Int32Array.of(-2147483648, 0, 7), dtype: "int32" },
	{ descr: "<i8", values: BigInt64Array.of(-5n, 0n, 1n << 40n), dtype: "int64" },
	{ descr: "<f4", values: Float32Array.of(-0.5, 0, 1.5), dtype: "float32" },
	{ descr: "<f8", values: Float64Array.of(-0.1, 0, 1e300), dtype: "float64" },
	{ descr: "<f2", values: Uint16Array.of(0x3c00, 0, 0xbc00), dtype: "float16" },
] as const;

for (const { descr, values, dtype } of plainTypes) {
	test(`${descr} is read as ${dtype}`, (t) => {
		const array = parseNpy(npyBytes(descr, [3, 1], values), "x");
		t.like(array, { dtype, dims: [3, 1] });
		t.deepEqual(numbers(array), Array.from(values as ArrayLike<number | bigint>, Number));
	});
}

test("big-endian values are turned", (t) => {
	const bytes = Buffer.alloc(8);
	bytes.writeInt32BE(-7, 0);
	bytes.writeInt32BE(1_000_000, 4);
	t.deepEqual(numbers(parseNpy(npyBytes(">i4", [2], bytes), "x")), [-7, 1_000_000]);
});

test("Fortran order becomes row-major", (t) => {
	// Column-major [2,3]: columns (1,4), (2,5), (3,6).
	const stored = Int32Array.of(1, 4, 2, 5, 3, 6);
	const array = parseNpy(npyBytes("<i4", [2, 3], stored, { fortranOrder: true }), "x");
	t.deepEqual(numbers(array), [1, 2, 3, 4, 5, 6]);
});

test("a scalar has no dimensions", (t) => {
	t.deepEqual(parseNpy(npyBytes("<f8", [], Float64Array.of(2.5)), "x"), {
		dtype: "float64",
		dims: [],
		data: Float64Array.of(2.5),
	});
});

test("an empty array has no values", (t) => {
	t.deepEqual(numbers(parseNpy(npyBytes("<f4", [0, 3], new Float32Array(0)), "x")), []);
});

test("text is read, one or several, beyond the basic plane", (t) => {
	t.is(parseNpy(npyText('{"dilations": [2]} \u{1FAC1}'), "x"), '{"dilations": [2]} \u{1FAC1}');
	const padded = Uint32Array.from([..."ab", "\0", ..."cde"], (character) => character.codePointAt(0) as number);
	t.deepEqual(parseNpy(npyBytes("<U3", [2], padded), "x"), ["ab", "cde"]);
});

test("header versions 2 and 3 have a longer length", (t) => {
	for (const version of [2, 3]) {
		t.deepEqual(numbers(parseNpy(npyBytes("|u1", [2], Uint8Array.of(3, 4), { version }), "x")), [3, 4]);
	}
});

test("values do not share memory with the file they came from", (t) => {
	const file = Buffer.from(npyBytes("<f4", [2], Float32Array.of(1, 2)));
	const array = parseNpy(file, "x");
	file.fill(0);
	t.deepEqual(numbers(array), [1, 2]);
});

test("pickled objects are refused", (t) => {
	refuses(t, "PSGL_NPY_PICKLED", npyBytes("|O8", [1], Buffer.from("\x80\x04K\x01.")), /\|O8/);
	refuses(t, "PSGL_NPY_PICKLED", npyBytes("|O", [1], Buffer.from("\x80\x04K\x01.")));
});

test("element types without a tensor are refused", (t) => {
	refuses(t, "PSGL_NPY_DTYPE", npyBytes("<c16", [1], new Uint8Array(16)), /c16/);
	refuses(t, "PSGL_NPY_DTYPE", npyBytes("<M8[ns]", [1], new Uint8Array(8)));
	refuses(
		t,
		"PSGL_NPY_DTYPE",
		npyWithHeader(
			"{'descr': [('a', '<f4'), ('b', '<i4')], 'fortran_order': False, 'shape': (1,), }\n",
			new Uint8Array(8),
		),
		/several fields/,
	);
});

test("too few or too many bytes are refused", (t) => {
	refuses(t, "PSGL_NPY_LENGTH", npyBytes("<f4", [3], Float32Array.of(1, 2)), /^8 bytes/);
	refuses(t, "PSGL_NPY_LENGTH", npyBytes("<f4", [1], Float32Array.of(1, 2)), /^8 bytes/);
	refuses(t, "PSGL_NPY_LENGTH", npyBytes("<f4", [1e9, 1e9, 1e9], Float32Array.of(1)), /^4 bytes/);
});

test("what is not an npy file is refused", (t) => {
	const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n";
	const value = Float32Array.of(1);
	refuses(t, "PSGL_NPY_HEADER", new Uint8Array(0), /^0 bytes/);
	refuses(t, "PSGL_NPY_HEADER", Buffer.from("not an array at all"));
	refuses(t, "PSGL_NPY_HEADER", npyWithHeader(header, value, 4), /version 4/);
	refuses(t, "PSGL_NPY_HEADER", npyWithHeader(header, value).subarray(0, 30), /a header of/);
	refuses(t, "PSGL_NPY_HEADER", npyWithHeader(header.replace("shape", "form"), value));
	refuses(t, "PSGL_NPY_HEADER", npyWithHeader(header.replace("(1,)", "(-1,)"), value));
});
