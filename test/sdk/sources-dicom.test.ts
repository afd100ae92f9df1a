import { createHash } from "node:crypto";
import { readFile, truncate, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { DataError, LimitError } from "@psgl/sdk";
import { dicomLimits, readDicom, transferSyntaxes } from "@psgl/sdk/sources/dicom";
import test from "ava";
import sharp from "sharp";
import { withPrograms } from "../helpers/outside-program.js";
import { runProgram } from "../helpers/run-program.js";
import { sharedPath, withShared } from "../helpers/shared.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";
import { type DicomElement, type DicomOptions, dicomBytes, words } from "../helpers/write-dicom.js";

interface Expected {
	readonly transfer_syntax: string;
	readonly rows: number;
	readonly columns: number;
	readonly frames: number;
	readonly array_dtype: string;
	readonly min: number;
	readonly max: number;
	readonly mean: number;
	readonly sha256_of_array_bytes_little_endian: string;
}

const dtypes: Readonly<Record<string, string>> = { "<i2": "Int16Array", "<u2": "Uint16Array", "|u1": "Uint8Array" };
/** Elements of a square image whose pixels use all of their bits. */
const squareOf = (side: number, bits: number): readonly DicomElement[] => [
	[0x00280010, "US", side],
	[0x00280011, "US", side],
	[0x00280100, "US", bits],
	[0x00280101, "US", bits],
	[0x00280102, "US", bits - 1],
];
const sixteen = Array.from({ length: 16 }, (_, i) => i * 100);

withShared("every sample decodes to the pixels that other programs find in it", async (t) => {
	const expected = JSON.parse(await readFile(sharedPath("data/dicom/expected_pixels.json"), "utf8")) as Record<
		string,
		Expected
	>;
	t.is(Object.keys(expected).length, 10);
	for (const [file, wanted] of Object.entries(expected)) {
		const image = await readDicom(sharedPath("data/dicom", file));
		const values = await image.storedValues();
		t.is(image.syntax.uid, wanted.transfer_syntax, file);
		t.deepEqual(
			[image.format.rows, image.format.columns, image.frames],
			[wanted.rows, wanted.columns, wanted.frames],
			file,
		);
		t.is(values.constructor.name, dtypes[wanted.array_dtype] ?? "unknown", file);
		const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
		// The lossy file (JPEG Extended) as well: to the last bit what GDCM decodes.
		t.is(createHash("sha256").update(bytes).digest("hex"), wanted.sha256_of_array_bytes_little_endian, file);
	}
});

withShared("the same picture in four transfer syntaxes is the same sample, under one patient", async (t) => {
	const names = ["implicit", "bigendian", "RLE", "jpeg_ls_lossless"];
	const images = await Promise.all(names.map((name) => readDicom(sharedPath(`data/dicom/MR_small_${name}.dcm`))));
	const samples = await Promise.all(images.map((image) => image.sample({ size: 32, channels: 1 })));
	for (const sample of samples) {
		t.deepEqual(sample.dims, [1, 32, 32]);
		t.deepEqual(sample.data, samples[0]?.data);
		t.true(Math.max(...sample.data) <= 1 && Math.min(...sample.data) >= 0);
		t.true(new Set(sample.data).size > 100);
	}
	t.is(new Set(images.map((image) => image.patient)).size, 1);
	t.not(images[0]?.patient, (await readDicom(sharedPath("data/dicom/CT_small.dcm"))).patient);
});

withPrograms(
	"dcmconv",
	"dcmcrle",
	"dcmcjpeg",
	"dcmcjpls",
	"dcmdump",
)("colour and grey images that dcmtk wrote in each transfer syntax decode alike", async (t) => {
	const folder = await temporaryFolder(t);
	const grey = join(folder, "grey.dcm");
	const pixels = Uint8Array.from({ length: 64 * 64 }, (_, i) => 2 * ((i % 64) + (i >> 6)));
	await writeFile(grey, dicomBytes({ pixels, elements: squareOf(64, 8) }));
	const colour = join(folder, "colour.dcm");
	const rgb = Uint8Array.from(Array.from(pixels, (grey, i) => [4 * (i % 64), 4 * (i >> 6), grey]).flat());
	const colours: readonly DicomElement[] = [
		[0x00280002, "US", 3],
		[0x00280004, "CS", "RGB"],
		[0x00280006, "US", 0],
	];
	await writeFile(colour, dicomBytes({ pixels: rgb, elements: [...squareOf(64, 8), ...colours] }));
	const conversions: readonly (readonly [string, string, ...string[]])[] = [
		["1.2.840.10008.1.2", "dcmconv", "+ti"],
		["1.2.840.10008.1.2.2", "dcmconv", "+tb"],
		["1.2.840.10008.1.2.5", "dcmcrle"],
		["1.2.840.10008.1.2.4.57", "dcmcjpeg", "+el"],
		["1.2.840.10008.1.2.4.70", "dcmcjpeg", "+e1"],
		["1.2.840.10008.1.2.4.80", "dcmcjpls", "+el"],
	];
	for (const [source, plain] of [
		[grey, pixels],
		[colour, rgb],
	] as const) {
		for (const [uid, program, ...flags] of conversions) {
			const out = join(folder, `${basename(source, ".dcm")}-${uid}.dcm`);
			await runProgram(program, [...flags, source, out]);
			const image = await readDicom(out);
			t.is(image.syntax.uid, uid);
			t.deepEqual(Uint8Array.from(await image.storedValues()), plain, `${source} as ${uid}`);
		}
		// Lossy: baseline and extended JPEG and near-lossless JPEG-LS stay within 4 of 255 levels on average.
		for (const [program, ...flags] of [
			["dcmcjpeg", "+eb"],
			["dcmcjpeg", "+ee"],
			["dcmcjpls", "+en"],
		] as const) {
			const out = join(folder, `${basename(source, ".dcm")}-lossy.dcm`);
			await runProgram(program, [...flags, source, out]);
			const image = await readDicom(out);
			t.true(image.syntax.lossy);
			const { levels } = await image.levels(0, "range");
			const full = await (await readDicom(source)).levels(0, "range");
			const difference = levels.reduce((sum, level, i) => sum + Math.abs(level - (full.levels[i] as number)), 0);
			t.true((difference / levels.length) * 255 < 4, `${program} ${flags}: ${(difference / levels.length) * 255}`);
		}
	}
});

test("values are rescaled and windowed as the file says, or as asked", async (t) => {
	const image = await readDicom(
		dicomBytes({
			pixels: words(sixteen),
			elements: [
				[0x00281050, "DS", "200\\40"],
				[0x00281051, "DS", "401\\80"],
				[0x00281052, "DS", "-1000"],
				[0x00281053, "DS", "2"],
			],
		}),
	);
	// Value v stands for 2 v - 1000; PS3.3 C.11.2.1.2.1 with centre 200 and width 401 is (u - 199.5) / 400 + 0.5.
	const { levels } = await image.levels();
	for (const [i, value] of sixteen.entries()) {
		const wanted = Math.min(1, Math.max(0, (2 * value - 1000 - 199.5) / 400 + 0.5));
		t.true(Math.abs((levels[i] as number) - wanted) < 1e-6, `${value}`);
	}
	t.deepEqual(
		(await image.levels(0, "range")).levels,
		Float32Array.from(sixteen, (v) => v / 1500),
	);
	const exact = await image.levels(0, { centre: 0, width: 1000, shape: "LINEAR_EXACT" });
	t.deepEqual(
		exact.levels,
		Float32Array.from(sixteen, (v) => Math.min(1, Math.max(0, (2 * v - 1000) / 1000 + 0.5))),
	);
	const sigmoid = await image.levels(0, { centre: 0, width: 400, shape: "SIGMOID" });
	t.deepEqual(
		sigmoid.levels,
		Float32Array.from(sixteen, (v) => 1 / (1 + Math.exp((-4 * (2 * v - 1000)) / 400))),
	);
});

test("MONOCHROME1 is turned round, signed and narrow pixels keep their sign, overlay bits do not count", async (t) => {
	const inverted = await readDicom(
		dicomBytes({ pixels: words(sixteen), elements: [[0x00280004, "CS", "MONOCHROME1"]] }),
	);
	t.deepEqual(
		(await inverted.levels()).levels,
		Float32Array.from(sixteen, (v) => 1 - v / 1500),
	);
	const signed = sixteen.map((v) => v - 800);
	const twelve = await readDicom(
		dicomBytes({
			pixels: words(signed.map((v) => (v & 0xfff) | 0x5000)),
			elements: [
				[0x00280101, "US", 12],
				[0x00280102, "US", 11],
				[0x00280103, "US", 1],
			],
		}),
	);
	t.deepEqual(await twelve.storedValues(), Int16Array.from(signed));
});

test("frames are told apart, with and without compression, and each is a sample", async (t) => {
	const frame = (base: number) => sixteen.map((v) => v + base);
	const three = await readDicom(
		dicomBytes({ pixels: words([...frame(0), ...frame(1), ...frame(2)]), elements: [[0x00280008, "IS", "3"]] }),
	);
	t.is(three.frames, 3);
	t.deepEqual([...(await three.storedValues(2))], frame(2));
	t.is(three.provenance(2).frame, 2);
	await t.throwsAsync(three.storedValues(3), { code: "PSGL_DICOM_PIXELS" });

	const jpeg = (grey: number) =>
		sharp(new Uint8Array(64).fill(grey), { raw: { width: 8, height: 8, channels: 1 } })
			.jpeg()
			.toBuffer();
	const cine = await readDicom(
		dicomBytes({
			syntax: "1.2.840.10008.1.2.4.50",
			elements: [...squareOf(8, 8), [0x00280008, "IS", "2"]],
			fragments: [await jpeg(50), await jpeg(200)],
		}),
	);
	t.is((await cine.storedValues(0))[0], 50);
	t.is((await cine.storedValues(1))[0], 200);
});

test("maxDecodeMs, decodedValuesPerMs: a frame that keeps its decoder busy is given up, and the next one is decoded", async (t) => {
	const fixture = new URL("../../../test/fixtures/fuzz/dicom/4027d168848926a7.bin", import.meta.url);
	const busy = await readDicom(await readFile(fixture), { name: "busy" });
	const { maxDecodeMs, decodedValuesPerMs } = dicomLimits;
	const error = await t.throwsAsync(busy.storedValues(), { code: "PSGL_DICOM_PIXELS" });
	// The frame has 64 values: a millisecond more.
	const mostMs = maxDecodeMs + Math.ceil(64 / decodedValuesPerMs);
	// More on a machine that has other work.
	const ms = Number(/longer than (\d+) ms/.exec(error?.message ?? "")?.[1]);
	t.true(ms === mostMs || ms === 4 * mostMs, error?.message);
	const jpeg = await sharp(new Uint8Array(64).fill(50), { raw: { width: 8, height: 8, channels: 1 } })
		.jpeg()
		.toBuffer();
	const whole = dicomBytes({ syntax: "1.2.840.10008.1.2.4.50", elements: squareOf(8, 8), fragments: [jpeg] });
	t.is((await (await readDicom(whole)).storedValues())[0], 50);
});

test("a part of the picture is kept when asked", async (t) => {
	const image = await readDicom(dicomBytes({ pixels: words(sixteen) }));
	const { data } = await image.sample({
		size: 2,
		channels: 1,
		window: "range",
		crop: { left: 2, top: 2, width: 2, height: 2 },
	});
	for (const [i, v] of [1000, 1100, 1400, 1500].entries()) t.true(Math.abs((data[i] as number) - v / 1500) < 1e-4);
	await t.throwsAsync(image.sample({ size: 2, channels: 1, crop: { left: 3, top: 0, width: 2, height: 2 } }), {
		code: "PSGL_IMAGE_CROP",
	});
});

const broken: readonly (readonly [what: string, code: string, options: DicomOptions])[] = [
	[
		"an unknown transfer syntax",
		"PSGL_DICOM_SYNTAX",
		{ syntax: "1.2.840.10008.1.2.4.100", fragments: [Uint8Array.of(1, 2)] },
	],
	["no pixel data", "PSGL_DICOM_PIXELS", {}],
	["too few pixels", "PSGL_DICOM_PIXELS", { pixels: words([1, 2, 3]) }],
	["no rows", "PSGL_DICOM_PIXELS", { pixels: words(sixteen), without: [0x00280010] }],
	["fragments where there should be none", "PSGL_DICOM_PIXELS", { fragments: [words(sixteen)] }],
	[
		"a code stream that is no JPEG",
		"PSGL_DICOM_PIXELS",
		{ syntax: "1.2.840.10008.1.2.4.70", fragments: [words(sixteen)] },
	],
	["a palette", "PSGL_DICOM_UNSUPPORTED", { pixels: words(sixteen), elements: [[0x00280004, "CS", "PALETTE COLOR"]] }],
	[
		"single bits",
		"PSGL_DICOM_UNSUPPORTED",
		{
			pixels: words([1, 2]),
			elements: [
				[0x00280100, "US", 1],
				[0x00280101, "US", 1],
				[0x00280102, "US", 0],
			],
		},
	],
	["no frames", "PSGL_DICOM_PIXELS", { pixels: words(sixteen), elements: [[0x00280008, "IS", "0"]] }],
	["huge frames", "PSGL_DICOM_LIMIT", { pixels: words(sixteen), elements: squareOf(20_000, 16) }],
	[
		"too many frames",
		"PSGL_DICOM_LIMIT",
		{ pixels: words(sixteen), elements: [[0x00280008, "IS", String(dicomLimits.maxFrames + 1)]] },
	],
];

for (const [what, code, options] of broken) {
	test(`a file with ${what} is refused with ${code}, and the error names no patient`, async (t) => {
		const error = await t.throwsAsync(async () => (await readDicom(dicomBytes(options))).storedValues(), { code });
		t.true(error instanceof DataError || error instanceof LimitError);
		t.notRegex(JSON.stringify([error, error?.message, String(error?.cause)]), /Doe|P-0001/);
	});
}

test("a code stream of another size than the header's is refused before it is decoded", async (t) => {
	const stream = await sharp(new Uint8Array(256), { raw: { width: 16, height: 16, channels: 1 } })
		.jpeg()
		.toBuffer();
	const image = await readDicom(
		dicomBytes({ syntax: "1.2.840.10008.1.2.4.50", elements: squareOf(8, 8), fragments: [stream] }),
	);
	const error = await t.throwsAsync(image.storedValues(), { code: "PSGL_DICOM_PIXELS" });
	t.regex(error?.message ?? "", /16 x 16/);
});

withShared("a file cut off anywhere gives a typed error, and the next file decodes", async (t) => {
	for (const file of [
		"CT_small.dcm",
		"693_J2KR.dcm",
		"JPEG-LL.dcm",
		"MR_small_RLE.dcm",
		"MR_small_jpeg_ls_lossless.dcm",
	]) {
		const bytes = await readFile(sharedPath("data/dicom", file));
		for (const share of [0.001, 0.02, 0.3, 0.6, 0.9]) {
			const cut = bytes.subarray(0, Math.floor(bytes.length * share));
			const error = await t.throwsAsync(async () => (await readDicom(cut)).storedValues(), { instanceOf: DataError });
			t.regex(error?.code ?? "", /^PSGL_DICOM_(CORRUPT|PIXELS|SYNTAX)$/, `${file} at ${share}`);
		}
		t.true((await (await readDicom(bytes)).storedValues()).length > 0);
	}
});

test("every transfer syntax has a codec, and their ids differ", (t) => {
	t.is(new Set(transferSyntaxes.map(({ uid }) => uid)).size, transferSyntaxes.length);
});

test("maxFileBytes, maxFrameValues: a longer file is refused before it is read, a larger frame before it is decoded", async (t) => {
	const file = join(await temporaryFolder(t), "long.dcm");
	await writeFile(file, dicomBytes({ pixels: words(sixteen) }));
	await truncate(file, dicomLimits.maxFileBytes + 1);
	const long = await t.throwsAsync(readDicom(file), { instanceOf: LimitError });
	t.is(long?.code, "PSGL_DICOM_LIMIT");
	const side = Math.sqrt(dicomLimits.maxFrameValues);
	const large = dicomBytes({ pixels: words(sixteen), elements: [...squareOf(side, 16), [0x00280010, "US", side + 1]] });
	t.is((await t.throwsAsync(readDicom(large), { instanceOf: LimitError }))?.code, "PSGL_DICOM_LIMIT");
	const most = dicomBytes({ pixels: words(sixteen), elements: squareOf(side, 16) });
	t.is((await readDicom(most)).format.rows, side, "a frame of the limit's size is for its decoder to judge");
});
