import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "@psgl/sdk";
import { decodeImage, loadData } from "@psgl/sdk/sources";
import test, { type ExecutionContext } from "ava";
import sharp, { type Sharp } from "sharp";
import { temporaryFolder } from "../helpers/temporary-folder.js";

/** Rises by 8 from left to right, 0 to 120; the rows alike. */
const ramp = Uint8Array.from({ length: 256 }, (_, i) => 8 * (i % 16));
/** The same of 16 bits, 1000 to 2500. */
const deepRamp = Uint16Array.from(ramp, (level) => 1000 + (level / 8) * 100);
const grey = { raw: { width: 16, height: 16, channels: 1 } } as const;
const row = (sample: Uint8Array, size: number) => [...sample.subarray(size, 2 * size)];

async function written(t: ExecutionContext, name: string, picture: Sharp): Promise<string> {
	const path = join(await temporaryFolder(t), name);
	await writeFile(path, await picture.toBuffer());
	return path;
}

test("WebP and TIFF of 8 bits give the pixels that went in, grey and in colour", async (t) => {
	const webp = await written(t, "a.webp", sharp(ramp, grey).webp({ lossless: true }));
	const tiff = await written(t, "a.tiff", sharp(ramp, grey).tiff({ compression: "lzw" }));
	for (const path of [webp, tiff]) t.deepEqual(await decodeImage(path, 16, 1), ramp, path);
	const colour = Uint8Array.from({ length: 768 }, (_, i) => [200, 10, i % 256][i % 3] as number);
	const planes = Uint8Array.from({ length: 768 }, (_, i) => colour[(i % 256) * 3 + Math.floor(i / 256)] as number);
	const raw = { raw: { width: 16, height: 16, channels: 3 } } as const;
	const files = {
		"c.webp": sharp(colour, raw).webp({ lossless: true }),
		"c.tif": sharp(colour, raw).tiff({ compression: "deflate" }),
	};
	for (const [name, picture] of Object.entries(files)) {
		t.deepEqual(await decodeImage(await written(t, name, picture), 16, 3), planes, name);
	}
	const lossy = await decodeImage(await written(t, "l.webp", sharp(ramp, grey).webp({ quality: 90 })), 16, 1);
	t.true(lossy.every((level, i) => Math.abs(level - (ramp[i] as number)) <= 8));
});

test("a TIFF of 16 bits is scaled from its own range, or windowed in its own levels", async (t) => {
	const path = await written(
		t,
		"deep.tiff",
		sharp(deepRamp, grey).toColourspace("grey16").tiff({ compression: "lzw" }),
	);
	const scaled = Array.from({ length: 16 }, (_, x) => 17 * x);
	t.deepEqual(row(await decodeImage(path, 16, 1), 16), scaled);
	const window = { centre: 1750, width: 500, shape: "LINEAR_EXACT" } as const;
	const windowed = row(await decodeImage(path, 16, 1, { window }), 16);
	t.deepEqual(windowed, [0, 0, 0, 0, 0, 0, 51, 102, 153, 204, 255, 255, 255, 255, 255, 255]);
});

test("a TIFF of floating-point levels is refused, not read as black", async (t) => {
	const path = join(await temporaryFolder(t), "float.tiff");
	await writeFile(path, floatTiff(Float32Array.from({ length: 16 }, (_, i) => i / 16)));
	await t.throwsAsync(decodeImage(path, 4, 1), { message: /levels of type float/ });
});

/** A picture of 4x4 floating-point levels (TIFF 6.0 section 2, sample format 3). */
function floatTiff(levels: Float32Array): Uint8Array {
	const entries = [
		[256, 4],
		[257, 4],
		[258, 32],
		[259, 1],
		[262, 1],
		[273, 134],
		[277, 1],
		[278, 4],
		[279, 64],
		[339, 3],
	] as const;
	const bytes = Buffer.alloc(134 + 64);
	bytes.write("II*\0\b\0\0\0", "latin1");
	bytes.writeUInt16LE(entries.length, 8);
	for (const [i, [tag, value]] of entries.entries()) {
		bytes.writeUInt16LE(tag, 10 + 12 * i);
		bytes.writeUInt16LE(3, 12 + 12 * i);
		bytes.writeUInt32LE(1, 14 + 12 * i);
		bytes.writeUInt16LE(value, 18 + 12 * i);
	}
	bytes.set(new Uint8Array(levels.buffer), 134);
	return bytes;
}

test("a window in the levels of 8 bits, in colour too", async (t) => {
	const path = await written(t, "a.png", sharp(ramp, grey).png());
	const window = { centre: 60, width: 40, shape: "LINEAR_EXACT" } as const;
	const expected = Array.from({ length: 16 }, (_, x) => Math.round(255 * Math.min(1, Math.max(0, (8 * x - 40) / 40))));
	const sample = await decodeImage(path, 16, 3, { window });
	for (const plane of [0, 1, 2]) t.deepEqual(row(sample.subarray(256 * plane), 16), expected);
});

test("a part of a picture, of 8 and of 16 bits, as it stands upright", async (t) => {
	const crop = { left: 4, top: 0, width: 8, height: 8 };
	const path = await written(t, "a.png", sharp(ramp, grey).png());
	t.deepEqual(row(await decodeImage(path, 8, 1, { crop }), 8), [32, 40, 48, 56, 64, 72, 80, 88]);
	const deep = await written(t, "deep.png", sharp(deepRamp, grey).toColourspace("grey16").png());
	t.deepEqual(row(await decodeImage(deep, 8, 1, { crop }), 8), [0, 36, 73, 109, 146, 182, 219, 255]);
	// Orientation 6: the file's first column is the upright picture's top row.
	const turned = await written(
		t,
		"turned.tiff",
		sharp(ramp, grey).withMetadata({ orientation: 6 }).tiff({ compression: "lzw" }),
	);
	const top = await decodeImage(turned, 8, 1, { crop: { left: 0, top: 2, width: 8, height: 8 } });
	t.deepEqual([...top.subarray(0, 16)], [...new Array(8).fill(16), ...new Array(8).fill(24)]);
	await t.throwsAsync(decodeImage(path, 8, 1, { crop: { ...crop, left: 9 } }), {
		instanceOf: ConfigError,
		code: "PSGL_IMAGE_CROP",
		message: /inside 16 x 16/,
	});
});

test("a wide picture is laid on black, cut to its middle, or stretched", async (t) => {
	const wide = { raw: { width: 16, height: 8, channels: 1 } } as const;
	for (const path of [
		await written(t, "wide.png", sharp(ramp.subarray(0, 128), wide).png()),
		await written(t, "deep.png", sharp(deepRamp.subarray(0, 128), wide).toColourspace("grey16").png()),
	]) {
		const [contain, cover, fill] = await Promise.all(
			(["contain", "cover", "fill"] as const).map((fit) => decodeImage(path, 8, 1, { fit })),
		);
		t.true(
			contain?.subarray(0, 16).every((level) => level === 0),
			path,
		);
		t.is(cover?.[0], path.endsWith("deep.png") ? 0 : 32, path);
		t.true((fill?.[0] as number) < 16 && (fill?.[7] as number) > 100, path);
	}
});

test("a folder's pictures are cut and windowed as they are loaded", async (t) => {
	const folder = await temporaryFolder(t);
	for (const name of ["a", "b"]) {
		await mkdir(join(folder, name));
		for (let i = 0; i < 10; i++)
			await sharp(ramp, grey)
				.tiff({ compression: "lzw" })
				.toFile(join(folder, name, `${i}.tif`));
	}
	const picture = {
		crop: { left: 8, top: 8, width: 8, height: 8 },
		window: { centre: 96, width: 64, shape: "LINEAR_EXACT" },
	} as const;
	const { train } = await loadData(folder, { seed: 1, imageSize: 8, picture });
	t.deepEqual(row(train.samples as Uint8Array, 8), [0, 32, 64, 96, 128, 159, 191, 223]);
});
