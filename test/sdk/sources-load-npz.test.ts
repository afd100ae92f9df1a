import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "@psgl/sdk";
import { type Dataset, heldOutCap, heldOutFraction, type LoadEvent, loadData } from "@psgl/sdk/sources";
import test, { type ExecutionContext } from "ava";
import { sharedPath, withShared } from "../helpers/shared.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";
import { npyBytes, npzBytes } from "../helpers/write-npz.js";

const classCounts = (dataset: Dataset) =>
	dataset.classes.map((_, label) => dataset.labels.filter((other) => other === label).length);

/** Arrays of one part: `count` pictures of 2x2 (or other trailing dimensions), labels 0, 1, 0, 1, ... */
function part(prefix: string, count: number, dims = [2, 2], labels?: ArrayLike<number>) {
	const values = new Uint8Array(count * dims.reduce((a, b) => a * b, 1)).map((_, i) => i % 251);
	return {
		[`${prefix}_images`]: npyBytes("|u1", [count, ...dims], values),
		[`${prefix}_labels`]: npyBytes(
			"|u1",
			[count, 1],
			Uint8Array.from(labels ?? { length: count }, (v, i) => v ?? i % 2),
		),
	};
}

async function load(
	t: ExecutionContext,
	arrays: Record<string, Uint8Array>,
	name = "set.npz",
	onProgress?: (event: LoadEvent) => void,
) {
	const path = join(await temporaryFolder(t), name);
	await writeFile(path, npzBytes(arrays));
	return loadData(path, { seed: 1, onProgress });
}

async function refuses(
	t: ExecutionContext,
	code: string,
	arrays: Record<string, Uint8Array>,
	says: RegExp,
	name?: string,
) {
	const error = await t.throwsAsync(load(t, arrays, name), { instanceOf: DataError, code });
	t.regex(error.message, says);
	t.is(error.exitCode, 3);
	t.truthy(error.remedy);
}

const whole = { ...part("train", 6), ...part("val", 4), ...part("test", 4) };

withShared("PneumoniaMNIST has its published counts", async (t) => {
	const set = await loadData(sharedPath("data", "medmnist", "pneumoniamnist.npz"), { seed: 1 });
	t.like(set, { name: "pneumoniamnist.npz", synthetic: false, notes: [] });
	t.deepEqual(set.train.shape, [1, 28, 28]);
	t.deepEqual(set.train.classes, ["normal", "pneumonia"]);
	t.deepEqual([set.train, set.validation, set.test].map(classCounts), [
		[1214, 3494],
		[135, 389],
		[234, 390],
	]);
	t.true(set.train.samples instanceof Uint8Array);
	// As sha256sum has it.
	const digest = "e1792d3f03751cb101e99f19a63b3c1941436c988665f47853417b05be250cd8";
	t.deepEqual(set.test.provenance?.(7), { kind: "npz", digest, part: "test", sample: 7 });
	t.deepEqual(set.train.subset([3, 9]).provenance?.(1), { kind: "npz", digest, part: "train", sample: 9 });
});

withShared("BreastMNIST names its classes", async (t) => {
	const set = await loadData(sharedPath("data", "medmnist", "breastmnist.npz"), { seed: 1 });
	t.deepEqual(set.test.classes, ["malignant", "normal/benign"]);
	t.deepEqual(classCounts(set.test), [42, 114]);
});

withShared("colour pictures become planes", async (t) => {
	const set = await loadData(sharedPath("data", "bccd", "bccd28.npz"), { seed: 1 });
	t.deepEqual(set.train.shape, [3, 28, 28]);
	t.deepEqual(classCounts(set.train), [700, 214, 209]);
});

withShared("the ECG set keeps its records, and its validation part comes off train by class", async (t) => {
	const set = await loadData(sharedPath("data", "ecg", "mitbih128_disjoint.npz"), { seed: 1 });
	t.deepEqual(set.train.shape, [1, 128]);
	t.deepEqual(set.train.classes, ["N", "L", "R", "A", "V"]);
	t.deepEqual(classCounts(set.test), [3000, 3000, 3000, 1245, 3000]);
	t.deepEqual(classCounts(set.validation), [450, 450, 450, 186, 450]);
	t.is(set.train.length + set.validation.length, 13245);
	t.is(new Set([...(set.train.records ?? []), ...(set.validation.records ?? [])]).size, 43);
	t.true(set.train.samples instanceof Float32Array);
	t.regex(set.notes?.join() ?? "", /no validation part: 1986 samples/);
});

test("grey pictures keep their pixels, channels-last ones are turned", async (t) => {
	const grey = await load(t, whole);
	t.deepEqual(grey.train.shape, [1, 2, 2]);
	t.deepEqual(grey.train.samples.subarray(0, 8), Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7));
	t.deepEqual(grey.train.classes, ["0", "1"]);
	const dims = [2, 2, 3];
	const colour = await load(t, { ...part("train", 6, dims), ...part("val", 4, dims), ...part("test", 4, dims) });
	t.deepEqual(colour.train.shape, [3, 2, 2]);
	t.deepEqual(colour.train.samples.subarray(0, 12), Uint8Array.of(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11));
});

test("reading is reported array by array", async (t) => {
	const events: LoadEvent[] = [];
	await load(t, whole, "set.npz", (event) => events.push(event));
	t.is(events.length, 6);
	t.deepEqual(events.at(-1), { type: "progress", done: 6, total: 6 });
});

test("heldOutFraction, heldOutCap: a set without a test part takes it off train and warns", async (t) => {
	const events: LoadEvent[] = [];
	const set = await load(t, part("train", 100), "set.npz", (event) => events.push(event));
	t.deepEqual([set.train.length, set.validation.length, set.test.length], [74, 12, 14]);
	t.deepEqual([set.train, set.validation, set.test].map(classCounts), [
		[37, 37],
		[6, 6],
		[7, 7],
	]);
	t.like(events.at(-1), { type: "warning", code: "PSGL_DATA_NO_TEST" });
	t.is(set.notes?.length, 2);
	const many = await load(t, part("train", 2 * Math.ceil(heldOutCap / heldOutFraction / 2) + 1000), "many.npz");
	t.is(many.test.length, heldOutCap);
});

test("the seed decides what is taken off train", async (t) => {
	const path = join(await temporaryFolder(t), "set.npz");
	await writeFile(path, npzBytes(part("train", 100)));
	const pixels = async (seed: number) => (await loadData(path, { seed })).test.samples;
	t.deepEqual(await pixels(1), await pixels(1));
	t.notDeepEqual(await pixels(1), await pixels(2));
});

test("signals may have one lead without an axis of its own", async (t) => {
	const signals = {
		train_signals: npyBytes("<f4", [8, 3], new Float32Array(24).fill(0.5)),
		train_labels: npyBytes("<i8", [8], BigInt64Array.of(0n, 1n, 0n, 1n, 0n, 1n, 0n, 1n)),
		train_records: npyBytes("<u2", [8], Uint16Array.of(100, 100, 100, 100, 231, 231, 231, 231)),
	};
	const set = await load(t, signals);
	t.deepEqual(set.train.shape, [1, 3]);
	t.deepEqual(set.train.classes, ["0", "1"]);
	t.is(set.train.records?.length, set.train.length);
	t.true(set.train.records?.every((record) => record === 100 || record === 231));
});

test("a missing file, and one that is no data set, are named", async (t) => {
	const folder = await temporaryFolder(t);
	await t.throwsAsync(loadData(join(folder, "none.npz"), { seed: 1 }), {
		instanceOf: DataError,
		code: "PSGL_DATA_NOT_FOUND",
	});
	await writeFile(join(folder, "set.csv"), "a,b");
	await t.throwsAsync(loadData(join(folder, "set.csv"), { seed: 1 }), {
		code: "PSGL_DATA_UNKNOWN_FORMAT",
		message: /set\.csv/,
	});
	await t.throwsAsync(loadData(folder, { seed: 1 }), { code: "PSGL_DATA_UNKNOWN_FORMAT", message: /1 files/ });
	await t.throwsAsync(loadData(join(folder, "set.csv", "set.npz"), { seed: 1 }), { code: "PSGL_DATA_NOT_FOUND" });
});

test("an aborted signal stops the loading", async (t) => {
	const reason = new Error("enough");
	await t.throwsAsync(loadData("set.npz", { seed: 1, signal: AbortSignal.abort(reason) }), { is: reason });
});

test("missing arrays are named", async (t) => {
	await refuses(t, "PSGL_DATA_MISSING_ARRAY", part("val", 4), /no array train_images; got val_images/);
	const { train_labels: _, ...unlabelled } = part("train", 6);
	await refuses(t, "PSGL_DATA_MISSING_ARRAY", unlabelled, /no array train_labels/);
	const { test_labels: __, ...rest } = whole;
	await refuses(t, "PSGL_DATA_MISSING_ARRAY", rest, /no array test_labels/);
});

test("a wrong element type is refused", async (t) => {
	const floats = npyBytes("<f8", [6, 2, 2], new Float64Array(24));
	await refuses(t, "PSGL_DATA_DTYPE", { ...whole, train_images: floats }, /train_images.*float64.*uint8/);
	const labels = npyBytes("<f4", [6], new Float32Array(6));
	await refuses(t, "PSGL_DATA_DTYPE", { ...whole, train_labels: labels }, /train_labels.*float32/);
	const texts = npyBytes("<U1", [6], new Uint32Array(6).fill(65));
	await refuses(t, "PSGL_DATA_DTYPE", { ...whole, train_labels: texts }, /train_labels.*text/);
});

test("a wrong shape is refused", async (t) => {
	await refuses(t, "PSGL_DATA_SHAPE", { ...whole, ...part("train", 6, [2, 2, 2]) }, /\[6,2,2,2\].*volumes/);
	await refuses(t, "PSGL_DATA_SHAPE", { ...whole, ...part("train", 6, [4]) }, /\[6,4\]/);
	await refuses(t, "PSGL_DATA_SHAPE", { ...whole, ...part("test", 4, [2, 3]) }, /\[1,2,3\].*\[1,2,2\] as in train/);
	const several = npyBytes("|u1", [6, 2], new Uint8Array(12));
	await refuses(t, "PSGL_DATA_SHAPE", { ...whole, train_labels: several }, /val_labels.*one class.*2 marks/);
	const deep = npyBytes("|u1", [6, 2, 1], new Uint8Array(12));
	await refuses(t, "PSGL_DATA_SHAPE", { ...whole, train_labels: deep }, /train_labels.*\[6,2,1\]/);
	const flat = npyBytes("<f4", [12], new Float32Array(12));
	await refuses(t, "PSGL_DATA_SHAPE", { train_signals: flat, train_labels: several }, /train_signals.*\[12\]/);
});

test("another number of labels than pictures is refused", async (t) => {
	const labels = npyBytes("|u1", [5], new Uint8Array(5));
	await refuses(t, "PSGL_DATA_LABEL_COUNT", { ...whole, train_labels: labels }, /got 5; expected 6/);
});

test("labels out of range are refused with their place", async (t) => {
	const negative = npyBytes("|i1", [6], Int8Array.of(0, 1, -1, 0, 1, 0));
	await refuses(t, "PSGL_DATA_LABELS", { ...whole, train_labels: negative }, /index 2; got -1/);
	await refuses(
		t,
		"PSGL_DATA_LABELS",
		{ ...whole, ...part("test", 4, [2, 2], [0, 1, 2, 0]) },
		/test_labels.*index 2; got 2; expected 0 to 1/,
	);
	await refuses(
		t,
		"PSGL_DATA_LABELS",
		{ ...whole, ...part("train", 6, [2, 2], [0, 255, 0, 255, 0, 0]) },
		/leaves out classes.*largest 255/,
	);
	const known = { ...whole, ...part("train", 6, [2, 2], [0, 1, 2, 0, 1, 2]) };
	await refuses(t, "PSGL_DATA_LABELS", known, /expected 0 to 1 \(normal, pneumonia\)/, "pneumoniamnist.npz");
	const huge = npyBytes("<i8", [6], BigInt64Array.of(0n, 1n, 1n << 60n, 0n, 1n, 0n));
	await refuses(t, "PSGL_DATA_LABELS", { ...whole, train_labels: huge }, /index 2/);
});

test("one class is not enough", async (t) => {
	await refuses(t, "PSGL_DATA_CLASSES", { ...whole, ...part("train", 6, [2, 2], new Uint8Array(6)) }, /fewer than two/);
});

test("an empty part is refused", async (t) => {
	await refuses(t, "PSGL_DATA_EMPTY", { ...whole, ...part("test", 0) }, /test part/);
	await refuses(t, "PSGL_DATA_EMPTY", part("train", 2), /part of set\.npz has no samples/);
});

test("values that are not finite are refused with their sample", async (t) => {
	const signals = Float32Array.from({ length: 12 }, (_, i) => (i === 7 ? Number.NaN : 0.5));
	const arrays = {
		train_signals: npyBytes("<f4", [4, 1, 3], signals),
		train_labels: npyBytes("|u1", [4], Uint8Array.of(0, 1, 0, 1)),
	};
	await refuses(t, "PSGL_DATA_NOT_FINITE", arrays, /sample 2; got NaN/);
});

/** Labels of one part: marks of `labels` labels for each of `count` samples. */
const marks = (count: number, labels: number, mark: (i: number) => number, descr = "|u1") => {
	const size = count * labels;
	const values = descr === "<i8" ? BigInt64Array.from({ length: size }, (_, i) => BigInt(mark(i))) : undefined;
	return npyBytes(descr, [count, labels], values ?? Uint8Array.from({ length: size }, (_, i) => mark(i)));
};

test("labels [N,K] of 0 and 1 are several labels a sample", async (t) => {
	const bits = [1, 0, 1, 0, 0, 0, 0, 1, 1];
	const set = await load(t, {
		...whole,
		train_labels: marks(6, 3, (i) => bits[i % 9] as number),
		val_labels: marks(4, 3, () => 0, "<i8"),
		test_labels: marks(4, 3, (i) => (i % 3 === 2 ? 1 : 0), "|b1"),
	});
	t.deepEqual(set.train.classes, ["0", "1", "2"]);
	t.deepEqual(set.train.targets, Uint8Array.from([...bits, ...bits]));
	t.deepEqual([...set.train.labels], [0, 3, 1, 0, 3, 1], "the first that applies; 3 where none does");
	t.deepEqual(set.validation.targets, new Uint8Array(12));
	t.deepEqual(set.test.targets, Uint8Array.of(0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1));
	const { y } = set.train.batch([2, 1]);
	t.deepEqual(y.dims, [2, 3]);
	t.deepEqual([...y.data], [0n, 1n, 1n, 0n, 0n, 0n]);
});

test("ChestMNIST's findings have names", async (t) => {
	const labels = (count: number) => marks(count, 14, (i) => (i % 14 === 13 ? 1 : 0));
	const set = await load(
		t,
		{ ...whole, train_labels: labels(6), val_labels: labels(4), test_labels: labels(4) },
		"chestmnist.npz",
	);
	t.is(set.train.classes.length, 14);
	t.is(set.train.classes[set.train.labels[0] as number], "hernia");
});

test("parts of several labels a sample that are missing are taken off train, each first label in its share", async (t) => {
	const set = await load(t, { ...part("train", 80), train_labels: marks(80, 2, (i) => (i % 4 === 0 ? 1 : 0)) });
	t.is(set.validation.targets?.length, 2 * set.validation.length);
	const share = (data: Dataset) => data.labels.filter((label) => label === 0).length / data.length;
	for (const data of [set.train, set.validation, set.test]) t.true(Math.abs(share(data) - 0.5) < 0.1);
});

test("marks that are neither 0 nor 1, of another number of samples or of another width are refused", async (t) => {
	const fine = { ...whole, val_labels: marks(4, 2, () => 1), test_labels: marks(4, 2, () => 1) };
	const with_ = (train_labels: Uint8Array) => ({ ...fine, train_labels });
	const wrong = with_(marks(6, 2, (i) => (i === 7 ? 2 : 0)));
	await refuses(t, "PSGL_DATA_LABELS", wrong, /train_labels.*label 1 of sample 3; got 2/);
	await refuses(t, "PSGL_DATA_LABELS", with_(marks(6, 2, (i) => (i === 0 ? -1 : 0), "<i8")), /sample 0; got -1/);
	await refuses(t, "PSGL_DATA_LABEL_COUNT", with_(marks(5, 2, () => 1)), /train_labels.*got 5; expected 6/);
	await refuses(t, "PSGL_DATA_SHAPE", with_(marks(6, 3, () => 1)), /val_labels.*2 marks.*3 marks/);
	await refuses(t, "PSGL_DATA_DTYPE", with_(npyBytes("<f4", [6, 2], new Float32Array(12))), /float32/);
});
