import { createHash } from "node:crypto";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ConfigError, DataError } from "@psgl/sdk";
import { imageLimits, type LoadEvent, type LoadOptions, loadData } from "@psgl/sdk/sources";
import test, { type ExecutionContext } from "ava";
import { sharedPath, withShared } from "../helpers/shared.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";
import { dicomBytes, words } from "../helpers/write-dicom.js";
import { pngBytes } from "../helpers/write-png.js";

const size = 8;
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const grey = (level: number) => pngBytes(size, size, 1, new Uint8Array(size * size).fill(level));
const colour = (r: number, g: number, b: number) =>
	pngBytes(
		size,
		size,
		3,
		Uint8Array.from({ length: size * size * 3 }, (_, i) => [r, g, b][i % 3] as number),
	);

/** Ten grey pictures for each of two classes, below `prefix`. */
const greyClasses = (prefix = "", count = 10) =>
	Object.fromEntries(
		["benign", "malignant"].flatMap((name, label) =>
			Array.from({ length: count }, (_, i) => [`${prefix}${name}/${i}.png`, grey(100 * label + i)]),
		),
	);

async function folderOf(t: ExecutionContext, files: Readonly<Record<string, Uint8Array>>): Promise<string> {
	const folder = await temporaryFolder(t);
	for (const [name, bytes] of Object.entries(files)) {
		await mkdir(dirname(join(folder, name)), { recursive: true });
		await writeFile(join(folder, name), bytes);
	}
	return folder;
}

async function load(
	t: ExecutionContext,
	files: Readonly<Record<string, Uint8Array>>,
	options: Partial<LoadOptions> = {},
) {
	return loadData(await folderOf(t, files), { seed: 1, imageSize: size, ...options });
}

test("sub-folders are classes and missing parts come off train", async (t) => {
	const set = await load(t, greyClasses());
	t.deepEqual(set.train.classes, ["benign", "malignant"]);
	t.deepEqual(set.train.shape, [1, size, size]);
	t.deepEqual([set.train.length, set.validation.length, set.test.length], [16, 2, 2]);
	for (const [i, label] of set.train.labels.entries()) {
		const levels = new Set(set.train.samples.subarray(i * size * size, (i + 1) * size * size));
		t.is(levels.size, 1);
		t.is([...levels].every((level) => level >= 100) ? 1 : 0, label);
	}
});

test("each sample tells the file it came from by its digest, through every split, and no name", async (t) => {
	const files = greyClasses();
	const set = await load(t, files);
	const seen = [set.train, set.validation, set.test].flatMap((part) =>
		Array.from({ length: part.length }, (_, i) => ({
			level: part.samples[i * size * size],
			from: part.provenance?.(i),
		})),
	);
	t.is(new Set(seen.map(({ from }) => JSON.stringify(from))).size, 20);
	for (const { level, from } of seen) {
		const file = level === undefined || level < 100 ? `benign/${level}.png` : `malignant/${level - 100}.png`;
		t.deepEqual(from, { kind: "picture", digest: sha256(files[file] as Uint8Array) });
	}
});

test("train, val and test folders are the parts", async (t) => {
	const set = await load(t, { ...greyClasses("train/", 4), ...greyClasses("val/", 2), ...greyClasses("test/", 3) });
	t.deepEqual([set.train.length, set.validation.length, set.test.length], [8, 4, 6]);
	t.deepEqual(set.notes, []);
	t.deepEqual(set.test.labels, Int32Array.of(0, 0, 0, 1, 1, 1));
});

test("the majority decides between grey and colour, and an option overrules it", async (t) => {
	const files = {
		...greyClasses("", 4),
		...Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`benign/c${i}.png`, colour(200, 0, 100)])),
	};
	const set = await load(t, files);
	t.deepEqual(set.train.shape, [3, size, size]);
	const red = set.train.samples.indexOf(200);
	t.deepEqual(
		set.train.samples.subarray(red, red + 3 * size * size),
		new Uint8Array(3 * size * size).map((_, i) => [200, 0, 100][Math.floor(i / size ** 2)] as number),
	);
	t.deepEqual((await load(t, files, { channels: 1 })).train.shape, [1, size, size]);
	t.deepEqual((await load(t, greyClasses(), { channels: 3 })).train.shape, [3, size, size]);
});

test("DICOM files, with and without an ending, are class files; a patient stays in one part", async (t) => {
	const files: Record<string, Uint8Array> = {};
	for (let patient = 0; patient < 20; patient++) {
		for (let i = 0; i < 3; i++) {
			const level = 1000 * (patient % 2) + 10 * patient + i;
			const bytes = dicomBytes({
				pixels: words(Array.from({ length: 32 }, (_, p) => level + (p % 2))),
				elements: [
					[0x00100020, "LO", `P-${patient}`],
					[0x00280008, "IS", "2"],
					[0x00281050, "DS", "1000"],
					[0x00281051, "DS", "2001"],
				],
			});
			files[`${patient % 2 === 0 ? "low" : "high"}/${patient}-${i}${i === 0 ? "" : ".dcm"}`] = bytes;
		}
	}
	files["low/broken.dcm"] = dicomBytes();
	const events: LoadEvent[] = [];
	const set = await load(t, files, { onProgress: (event) => events.push(event) });
	const warnings = events.flatMap((event) => (event.type === "warning" ? [event.code] : []));
	t.deepEqual(warnings, ["PSGL_DICOM_PIXELS", "PSGL_DATA_NO_TEST"]);
	const parts = [set.train, set.validation, set.test];
	// 60 files of two frames each.
	t.is(
		parts.reduce((sum, part) => sum + part.length, 0),
		120,
	);
	const origins = parts.flatMap((part) => Array.from(part.labels, (_, i) => part.provenance?.(i)));
	// Told apart by file and frame.
	t.is(new Set(origins.map((origin) => JSON.stringify(origin))).size, 120);
	const [first] = origins;
	t.like(first, { kind: "dicom", transferSyntax: "Explicit VR Little Endian", modality: "OT", lossy: false });
	t.regex(first?.digest ?? "", /^[0-9a-f]{64}$/);
	const patients = parts.map((part) => new Set(part.records));
	t.is(new Set(patients.flatMap((part) => [...part])).size, 20);
	t.is(
		patients.reduce((sum, part) => sum + part.size, 0),
		20,
	);
	for (const part of parts) t.deepEqual(new Set(part.labels), new Set([0, 1]));
	for (const [i, label] of set.train.labels.entries()) {
		t.is((set.train.samples[i * size * size] as number) > 120 ? 0 : 1, label, "class folders are sorted: high, low");
	}
	await t.throwsAsync(load(t, files, { strict: true }), { code: "PSGL_DICOM_PIXELS" });
});

test("a picture that is not square gets black bars and loses nothing", async (t) => {
	const wide = pngBytes(8, 4, 1, new Uint8Array(32).fill(255));
	const set = await load(t, { ...greyClasses("train/"), ...greyClasses("val/"), "test/benign/wide.png": wide });
	const rows = Array.from({ length: size }, (_, y) => set.test.samples[y * size + 4]);
	t.deepEqual(rows, [0, 0, 255, 255, 255, 255, 0, 0]);
});

test("16-bit pictures are scaled from their own range", async (t) => {
	const values = Uint16Array.from({ length: size * size }, (_, i) => 2000 + (i % size) * 100);
	const bars = Uint16Array.from({ length: (size * size) / 2 }, (_, i) => 2000 + (i % size) * 100);
	const files = {
		"test/benign/a.png": pngBytes(size, size, 1, values),
		"test/malignant/b.png": pngBytes(size, size / 2, 1, bars),
	};
	const set = await load(t, { ...greyClasses("train/"), ...greyClasses("val/"), ...files });
	const ramp = [0, 36, 73, 109, 146, 182, 219, 255];
	t.deepEqual([...set.test.samples.subarray(0, size)], ramp);
	const second = set.test.samples.subarray(size * size);
	t.deepEqual([...second.subarray(0, size)], new Array(size).fill(0));
	t.deepEqual([...second.subarray(2 * size, 3 * size)], ramp);
});

withShared("real radiographs, smears and slices are decoded", async (t) => {
	const folder = await temporaryFolder(t);
	const sources = {
		chest: ["00000001_000.png", "00027426_000.png"],
		other: ["cell.png", "ct512_16bit.png", "BloodImage_00001.jpg", "retina.jpg"],
	};
	for (const [name, files] of Object.entries(sources)) {
		for (const part of ["train", "val", "test"]) {
			for (const file of files) await cp(sharedPath("data", "images", file), join(folder, part, name, file));
		}
	}
	const set = await loadData(folder, { seed: 1, strict: true });
	t.deepEqual(set.train.shape, [1, 28, 28]);
	for (let i = 0; i < set.train.length; i++) {
		const picture = set.train.samples.subarray(i * 784, (i + 1) * 784);
		t.true(new Set(picture).size > 30, `picture ${i} has contrast`);
	}
});

test("an undecodable picture is named and skipped", async (t) => {
	const events: LoadEvent[] = [];
	const broken = {
		"benign/broken.png": Buffer.from("not a picture"),
		"malignant/cut.png": grey(3).subarray(0, 40),
		"malignant/notes.txt": Buffer.from("three of these are from 2019"),
		"malignant/.DS_Store": Buffer.from("hidden"),
	};
	const set = await load(t, { ...greyClasses(), ...broken }, { onProgress: (event) => events.push(event) });
	t.is(set.train.length + set.validation.length + set.test.length, 20);
	const warnings = events.flatMap((event) => (event.type === "warning" ? [event] : []));
	const skipped = warnings.filter((event) => event.code === "PSGL_IMAGE_UNDECODABLE");
	t.deepEqual(skipped.map((event) => /(broken\.png|cut\.png|notes\.txt)/.exec(event.message)?.[0]).sort(), [
		"broken.png",
		"cut.png",
		"notes.txt",
	]);
	t.deepEqual(
		events.findLast((event) => event.type === "progress"),
		{ type: "progress", done: 23, total: 23 },
	);
});

test("maxPixels, maxSide: a picture that is larger, or says so, is named and skipped before it is decoded", async (t) => {
	const { maxPixels, maxSide } = imageLimits;
	const claims = Buffer.from(grey(3));
	claims.writeUInt32BE(maxSide, 16);
	claims.writeUInt32BE(maxPixels / maxSide + 1, 20);
	const files = {
		...greyClasses(),
		"benign/claims.png": claims,
		"benign/wide.png": pngBytes(maxSide + 1, 1, 1, new Uint8Array(maxSide + 1)),
		"malignant/widest.png": pngBytes(maxSide, 1, 1, new Uint8Array(maxSide)),
	};
	const events: LoadEvent[] = [];
	const set = await load(t, files, { onProgress: (event) => events.push(event) });
	t.is(set.train.length + set.validation.length + set.test.length, 21);
	const warnings = events.flatMap((event) => (event.type === "warning" ? [event] : []));
	const tooLarge = warnings.filter(({ code }) => code === "PSGL_IMAGE_LIMIT");
	t.deepEqual(tooLarge.map(({ message }) => /\w+\.png/.exec(message)?.[0]).sort(), ["claims.png", "wide.png"]);
});

test("strict refuses an undecodable picture by name", async (t) => {
	const files = { ...greyClasses(), "benign/broken.png": Buffer.from("not a picture") };
	const error = await t.throwsAsync(load(t, files, { strict: true }), {
		instanceOf: DataError,
		code: "PSGL_IMAGE_UNDECODABLE",
	});
	t.regex(error.message, /benign.broken\.png cannot be decoded/);
	t.truthy(error.cause);
});

test("class folders have to be there and the same in every part", async (t) => {
	await t.throwsAsync(load(t, { "only/1.png": grey(1) }), {
		instanceOf: DataError,
		code: "PSGL_IMAGE_CLASSES",
		message: /got only/,
	});
	const extra = { ...greyClasses("train/"), ...greyClasses("test/"), "test/unclear/1.png": grey(1) };
	await t.throwsAsync(load(t, extra), { code: "PSGL_IMAGE_CLASSES", message: /unclear/ });
});

test("with the model's classes labels are theirs, in their order, also where one has no folder here", async (t) => {
	const set = await load(t, greyClasses(), { classes: ["unclear", "malignant", "benign"] });
	t.deepEqual(set.train.classes, ["unclear", "malignant", "benign"]);
	for (const [i, label] of set.train.labels.entries()) {
		t.is((set.train.samples[i * size * size] as number) >= 100 ? 1 : 2, label);
	}
	await t.throwsAsync(load(t, greyClasses(), { classes: ["unclear", "malignant"] }), {
		code: "PSGL_IMAGE_CLASSES",
		message: /got benign; expected unclear, malignant/,
	});
});

test("folders without a usable picture are refused", async (t) => {
	const folder = await temporaryFolder(t);
	await mkdir(join(folder, "a"));
	await mkdir(join(folder, "b"));
	await t.throwsAsync(loadData(folder, { seed: 1 }), { instanceOf: DataError, code: "PSGL_DATA_EMPTY" });
	const broken = { "a/1.png": Buffer.from("x"), "b/1.png": Buffer.from("y") };
	await t.throwsAsync(load(t, broken), { instanceOf: DataError, code: "PSGL_DATA_EMPTY" });
});

test("a picture size that makes no sense is refused", async (t) => {
	for (const imageSize of [0, 3, 12.5, 5000]) {
		await t.throwsAsync(load(t, greyClasses(), { imageSize }), { instanceOf: ConfigError, code: "PSGL_IMAGE_SIZE" });
	}
});

test("an aborted signal stops the decoding", async (t) => {
	const reason = new Error("enough");
	const controller = new AbortController();
	const loading = load(t, greyClasses(), { signal: controller.signal, onProgress: () => controller.abort(reason) });
	await t.throwsAsync(loading, { is: reason });
});
