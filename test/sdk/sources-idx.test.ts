import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { DataError, LimitError } from "@psgl/sdk";
import { loadData, parseIdx } from "@psgl/sdk/sources";
import test, { type ExecutionContext } from "ava";
import { sharedPath, withShared } from "../helpers/shared.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

function idxBytes(dims: readonly number[], values: Uint8Array): Uint8Array {
	const header = Buffer.alloc(4 + 4 * dims.length);
	header.writeUInt16BE(0x08, 1);
	header[2] = 8;
	header[3] = dims.length;
	for (const [i, size] of dims.entries()) header.writeUInt32BE(size, 4 + 4 * i);
	return Buffer.concat([header, values]);
}

const pictures = (count: number) =>
	idxBytes(
		[count, 2, 2],
		new Uint8Array(count * 4).map((_, i) => i),
	);
const labels = (count: number) =>
	idxBytes(
		[count],
		new Uint8Array(count).map((_, i) => i % 2),
	);

const files = {
	"train-images-idx3-ubyte": pictures(20),
	"train-labels-idx1-ubyte": labels(20),
	"t10k-images-idx3-ubyte": pictures(6),
	"t10k-labels-idx1-ubyte": labels(6),
};

async function load(t: ExecutionContext, contents: Readonly<Record<string, Uint8Array>>, maxExpandedBytes?: number) {
	const folder = await temporaryFolder(t);
	for (const [name, bytes] of Object.entries(contents)) await writeFile(join(folder, name), bytes);
	return loadData(folder, { seed: 1, maxExpandedBytes });
}

async function refuses(
	t: ExecutionContext,
	code: string,
	contents: Readonly<Record<string, Uint8Array>>,
	says: RegExp,
) {
	const error = await t.throwsAsync(load(t, contents), { instanceOf: DataError, code });
	t.regex(error.message, says);
	t.is(error.exitCode, 3);
}

withShared("MNIST is read from its gzip files", async (t) => {
	const set = await loadData(sharedPath("data", "mnist"), { seed: 1 });
	t.is(set.name, "mnist");
	t.deepEqual(set.train.shape, [1, 28, 28]);
	t.deepEqual(set.train.classes, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
	t.is(set.test.length, 10_000);
	// The first ten digits of the test part, as every tutorial shows them.
	t.deepEqual(set.test.labels.subarray(0, 10), Int32Array.of(7, 2, 1, 0, 4, 1, 4, 9, 5, 9));
	t.is(set.train.length + set.validation.length, 60_000);
	t.true(set.validation.length > 4990 && set.validation.length <= 5000);
});

test("plain and packed files, and names with a point, are read alike", async (t) => {
	const plain = await load(t, files);
	const packed = await load(
		t,
		Object.fromEntries(
			Object.entries(files).map(([name, bytes]) => [`${name.replace("-idx", ".idx")}.gz`, gzipSync(bytes)]),
		),
	);
	t.deepEqual(plain.test.samples, files["t10k-images-idx3-ubyte"].subarray(16));
	for (const part of ["train", "test"] as const) {
		t.deepEqual(packed[part].samples, plain[part].samples);
		t.deepEqual(packed[part].labels, plain[part].labels);
	}
	const digest = createHash("sha256").update(files["t10k-images-idx3-ubyte"]).digest("hex");
	t.deepEqual(plain.test.provenance?.(1), { kind: "idx", digest, part: "test", sample: 1 });
});

test("a set without test files takes its test part off train", async (t) => {
	const { "t10k-images-idx3-ubyte": _, "t10k-labels-idx1-ubyte": __, ...train } = files;
	const set = await load(t, train);
	t.deepEqual([set.train.length, set.validation.length, set.test.length], [16, 2, 2]);
});

test("a missing file of the four is named", async (t) => {
	const { "t10k-labels-idx1-ubyte": _, ...rest } = files;
	await refuses(t, "PSGL_IDX_MISSING", rest, /test labels/);
	const { "train-images-idx3-ubyte": __, ...noTrain } = files;
	await refuses(t, "PSGL_IDX_MISSING", noTrain, /train images/);
});

test("what is no idx file is refused", async (t) => {
	const replaced = (bytes: Uint8Array) => ({ ...files, "train-images-idx3-ubyte": bytes });
	await refuses(t, "PSGL_IDX_MAGIC", replaced(Buffer.from("<!DOCTYPE html>")), /3c21444f/);
	await refuses(t, "PSGL_IDX_MAGIC", replaced(new Uint8Array(0)), /\(none\)/);
	await refuses(
		t,
		"PSGL_IDX_LENGTH",
		replaced(pictures(20).subarray(0, 50)),
		/50 bytes; expected 96 for shape \[20,2,2\]/,
	);
	await refuses(t, "PSGL_IDX_LENGTH", replaced(pictures(20).subarray(0, 9)), /at least 16/);
	await refuses(t, "PSGL_DATA_SHAPE", replaced(labels(20)), /swapped/);
	await refuses(t, "PSGL_DATA_LABEL_COUNT", replaced(pictures(19)), /got 20; expected 19/);
});

test("element types other than bytes are refused", (t) => {
	const floats = Buffer.from(labels(4));
	floats[2] = 0x0d;
	t.throws(() => parseIdx(floats, "x"), { instanceOf: DataError, code: "PSGL_IDX_MAGIC", message: /00000d01/ });
});

test("labels past those of train are refused", async (t) => {
	const contents = { ...files, "t10k-labels-idx1-ubyte": idxBytes([6], Uint8Array.of(0, 1, 0, 7, 0, 1)) };
	await refuses(t, "PSGL_DATA_LABELS", contents, /index 3; got 7/);
});

test("a damaged or cut off gzip file is refused", async (t) => {
	const { "train-images-idx3-ubyte": whole, ...rest } = files;
	const packed = gzipSync(whole);
	await refuses(t, "PSGL_IDX_GZIP", { ...rest, "train-images-idx3-ubyte.gz": packed.subarray(0, 30) }, /whole gzip/);
	const changed = Buffer.from(packed);
	changed.writeUInt32LE(1, changed.length - 8);
	await refuses(t, "PSGL_IDX_GZIP", { ...rest, "train-images-idx3-ubyte.gz": changed }, /whole gzip/);
});

test("a gzip file that expands past the limit is stopped", async (t) => {
	const { "train-images-idx3-ubyte": _, ...rest } = files;
	const bomb = gzipSync(new Uint8Array(2 ** 20));
	const loading = load(t, { ...rest, "train-images-idx3-ubyte.gz": bomb }, 2 ** 19);
	const error = await t.throwsAsync(loading, { instanceOf: LimitError, code: "PSGL_IDX_EXPANDS" });
	t.regex(error.message, /at most 524288 bytes/);
});
