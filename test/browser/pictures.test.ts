import { readFileSync } from "node:fs";
import { readDicom } from "@psgl/sdk/sources/dicom";
import sharp from "sharp";
import { browserSite } from "../helpers/browser.js";
import { callPage } from "../helpers/page-calls.js";
import { hasShared, sharedPath } from "../helpers/shared.js";
import { dicomBytes, words } from "../helpers/write-dicom.js";
import { pngBytes } from "../helpers/write-png.js";

interface Decoded {
	readonly samples: string;
	readonly labels: readonly number[];
	readonly setAside: readonly { readonly name: string; readonly code: string }[];
}

const { test, page } = browserSite("test/browser/page");
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

test("pictures become the samples they are, grey or in colour; a broken one is set aside by its name", async (t) => {
	const grey = Uint8Array.from({ length: 64 }, (_, i) => 4 * i);
	const files = [
		{ name: "ramp.png", base64: base64(pngBytes(8, 8, 1, grey)), label: 1 },
		{ name: "broken.png", base64: base64(pngBytes(8, 8, 1, grey).subarray(0, 60)), label: 0 },
		{ name: "notes.txt", base64: base64(Buffer.from("no picture")), label: 0 },
	];
	const decoded = await callPage<Decoded>(await page(), "pictures", files, [1, 8, 8], ["a", "b"]);
	t.deepEqual([...Buffer.from(decoded.samples, "base64")], [...grey]);
	t.deepEqual(decoded.labels, [1]);
	t.deepEqual(
		decoded.setAside.map(({ name, code }) => `${name} ${code}`),
		["broken.png PSGL_WEB_PICTURE", "notes.txt PSGL_WEB_PICTURE"],
	);
	const red = Uint8Array.from({ length: 48 }, (_, i) => (i % 3 === 0 ? 200 : 10));
	const colour = [{ name: "red.png", base64: base64(pngBytes(4, 4, 3, red)), label: 0 }];
	const planes = Buffer.from(
		(await callPage<Decoded>(await page(), "pictures", colour, [3, 4, 4], ["a"])).samples,
		"base64",
	);
	t.deepEqual([...planes], [...Array(16).fill(200), ...Array(32).fill(10)]);
});

test("a wide picture is laid on black, whole, as the image folder source lays it", async (t) => {
	const white = pngBytes(40, 20, 1, new Uint8Array(800).fill(255));
	const files = [{ name: "wide.png", base64: base64(white), label: 0 }];
	const { samples } = await callPage<Decoded>(await page(), "pictures", files, [1, 8, 8], ["a"]);
	const node = await sharp(white).resize(8, 8, { fit: "contain", background: "black" }).greyscale().raw().toBuffer();
	t.deepEqual([...Buffer.from(samples, "base64")], [...node.subarray(0, 64)]);
});

test("DICOM files are read as Node reads them, in the byte orders there are, and each frame is a sample", async (t) => {
	const frames = dicomBytes({
		pixels: words(Array.from({ length: 32 }, (_, i) => 1000 + 10 * i)),
		elements: [
			[0x00280008, "IS", "2"],
			[0x00100010, "PN", "Doe^Jane"],
		],
	});
	const made = [{ name: "frames", base64: base64(frames), label: 1 }];
	const { samples, labels } = await callPage<Decoded>(await page(), "pictures", made, [1, 4, 4], ["a", "b"]);
	t.deepEqual(labels, [1, 1]);
	t.deepEqual([...Buffer.from(samples, "base64")], await inNode(frames));
	const cut = [{ name: "cut.dcm", base64: base64(frames.subarray(0, frames.length - 8)), label: 0 }];
	const error = await t.throwsAsync(callPage(await page(), "pictures", cut, [1, 4, 4], ["a"]), {
		code: "PSGL_DICOM_CORRUPT",
	});
	t.notRegex(JSON.stringify(error), /Doe/);
	if (!hasShared) {
		t.log("the samples of the shared folder are not there");
		return;
	}
	for (const name of ["CT_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm"]) {
		const bytes = readFileSync(sharedPath("data", "dicom", name));
		const { rows, columns } = (await readDicom(bytes)).format;
		const files = [{ name, base64: base64(bytes), label: 0 }];
		const decoded = await callPage<Decoded>(await page(), "pictures", files, [1, rows, columns], ["a"]);
		t.deepEqual([...Buffer.from(decoded.samples, "base64")], await inNode(bytes), name);
	}
	const compressed = [shared("693_J2KR.dcm"), shared("JPEG-LL.dcm")];
	const set = await callPage<Decoded>(await page(), "pictures", [...made, ...compressed], [1, 4, 4], ["a", "b"]);
	t.deepEqual(
		set.setAside.map(({ name, code }) => `${name} ${code}`),
		["693_J2KR.dcm PSGL_DICOM_SYNTAX", "JPEG-LL.dcm PSGL_DICOM_SYNTAX"],
		"without codecs",
	);
});

test("compressed DICOM files give the pixels they give in Node: RLE, JPEG, JPEG lossless, JPEG-LS, JPEG 2000", async (t) => {
	if (!hasShared) {
		t.pass("the samples of the shared folder are not there");
		return;
	}
	const names = [
		"MR_small_RLE",
		"JPGExtended",
		"JPEG-LL",
		"JPGLosslessP14SV1_1s_1f_8b",
		"MR_small_jpeg_ls_lossless",
		"693_J2KR",
	];
	for (const name of names.map((name) => `${name}.dcm`)) {
		const bytes = readFileSync(sharedPath("data", "dicom", name));
		const { rows, columns } = (await readDicom(bytes)).format;
		const decoded = await callPage<Decoded>(await page(), "pictures", [shared(name)], [1, rows, columns], ["a"], true);
		t.deepEqual([...Buffer.from(decoded.samples, "base64")], await inNode(bytes), name);
	}
});

test("a damaged frame is set aside by its name, and the next one is decoded", async (t) => {
	if (!hasShared) {
		t.pass("the samples of the shared folder are not there");
		return;
	}
	const whole = shared("693_J2KR.dcm");
	const bytes = readFileSync(sharedPath("data", "dicom", whole.name));
	const damaged = { ...whole, name: "damaged.dcm", base64: base64(bytes.fill(0xff, 3000, 3400)) };
	const files = [damaged, whole];
	const decoded = await callPage<Decoded>(await page(), "pictures", files, [1, 8, 8], ["a"], true);
	t.deepEqual(
		decoded.setAside.map(({ name, code }) => `${name} ${code}`),
		["damaged.dcm PSGL_DICOM_PIXELS"],
	);
	t.is(decoded.samples.length, base64(new Uint8Array(64)).length);
});

/** A sample of the shared folder as the page takes it. */
function shared(name: string) {
	return { name, base64: base64(readFileSync(sharedPath("data", "dicom", name))), label: 0 };
}

/** A file's frames in eight bits, as Node decodes them. */
async function inNode(bytes: Uint8Array): Promise<number[]> {
	const image = await readDicom(bytes);
	const levels = await Promise.all(Array.from({ length: image.frames }, (_, frame) => image.levels(frame)));
	return levels.flatMap((frame) => Array.from(frame.levels, (level) => Math.round(255 * level)));
}

test("nothing but broken pictures is an error", async (t) => {
	const files = [{ name: "notes.txt", base64: base64(Buffer.from("no picture")), label: 0 }];
	const call = callPage(await page(), "pictures", files, [1, 8, 8], ["a"]);
	await t.throwsAsync(call, { code: "PSGL_WEB_PICTURE", message: /notes\.txt/ });
});

test("a camera gives frames for as long as they are read", async (t) => {
	// Chromium's pretended camera shows a green picture with a moving part.
	const frames = await callPage<number[]>(await page(), "camera", [3, 16, 16], 3);
	t.is(frames.length, 3);
	t.true(
		frames.every((mean) => mean > 10 && mean < 245),
		String(frames),
	);
});

test("a camera that is unplugged ends its frames with a typed error", async (t) => {
	await t.throwsAsync(callPage(await page(), "unplugged", [1, 8, 8]), {
		code: "PSGL_WEB_CAMERA",
		message: /track ended/,
	});
});
