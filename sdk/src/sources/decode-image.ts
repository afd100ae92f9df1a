import type { Metadata, Sharp } from "sharp";
import { LimitError } from "../errors.js";
import { levelOf, type VoiWindow } from "./dicom/grey-levels.js";
import { imageLimits } from "./image-limits.js";
import { type Crop, type Fit, fitPicture, requireInside } from "./picture-levels.js";

/** What of a picture becomes a sample. */
export interface PictureOptions {
	/** Default `contain`. */
	readonly fit?: Fit | undefined;
	/** Pixels to keep of the picture as it stands upright. Default: all. */
	readonly crop?: Crop | undefined;
	/**
	 * Values that become black and white, in the file's own levels: 0 to 255, 0 to 65535, rescaled ones of DICOM. Default: all 256 of 8 bits, the
	 * smallest to the largest of 16 bits, the DICOM file's own window.
	 */
	readonly window?: VoiWindow | undefined;
}

// The one place that loads sharp (20 MB of native code), and only once a picture has to be decoded.
const sharpModule = async () => (await import("sharp")).default;

/** Colour channels the file holds, alpha left out: 1 (grey) or 3. Reads the header only. */
export async function imageChannels(path: string): Promise<1 | 3> {
	const sharp = await sharpModule();
	const { channels, hasAlpha } = await sharp(path).metadata();
	return channels - (hasAlpha ? 1 : 0) >= 3 ? 3 : 1;
}

/**
 * Decodes a picture to uint8 [channels, size, size]. It is turned as its EXIF data say, laid on black where
 * transparent, and resized; without options as a whole: black bars fill what is missing to a square, nothing is cut off or
 * stretched. A picture of 16 bits a channel is scaled from its own smallest and largest value to 0..255, because
 * medical files rarely use the whole range.
 *
 * @throws LimitError `PSGL_IMAGE_LIMIT`; ConfigError `PSGL_IMAGE_CROP`; Error, sharp's among others, when the file cannot be decoded, is cut off, or has
 * levels of another kind than 8 or 16 bits
 */
export async function decodeImage(
	path: string,
	size: number,
	channels: 1 | 3,
	options: PictureOptions = {},
): Promise<Uint8Array> {
	const { fit = "contain", crop, window } = options;
	const sharp = await sharpModule();
	const source = sharp(path);
	const head = await source.metadata();
	checkSize(path, head);
	requireLevels(head);
	const deep = head.depth === "ushort";
	const upright = source.autoOrient().flatten({ background: "black" });
	if (crop !== undefined) {
		requireInside(crop, head.autoOrient);
		upright.extract(crop);
	}
	if (window !== undefined) return decodeWindowed(upright, deep, window, { size, channels, fit });
	return deep ? decodeDeep(upright, size, channels, fit) : decodeBytes(upright, size, channels, fit);
}

function checkSize(path: string, { width, height }: Metadata): void {
	const { maxPixels, maxSide } = imageLimits;
	if (width * height <= maxPixels && Math.max(width, height) <= maxSide) return;
	throw new LimitError("PSGL_IMAGE_LIMIT", {
		what: `${path} is too large`,
		got: `${width} x ${height} pixels`,
		expected: `at most ${maxPixels} pixels, and ${maxSide} in a row or column`,
		remedy: "Make the picture smaller first; it is brought to the size of a sample anyway",
	});
}

/** Levels that are no whole numbers of 8 or 16 bits, as in some TIFF files, have no black and white that sharp knows: everything would be black. */
function requireLevels({ depth }: Metadata): void {
	if (depth !== "uchar" && depth !== "ushort") throw new Error(`levels of type ${depth}, not of 8 or 16 bits`);
}

/** Windowed before it is resized, as DICOM's pictures are: what is outside must not lighten its neighbours. */
async function decodeWindowed(
	picture: Sharp,
	deep: boolean,
	window: VoiWindow,
	fitted: { readonly size: number; readonly channels: 1 | 3; readonly fit: Fit },
): Promise<Uint8Array> {
	const grey = fitted.channels === 1;
	const { data, info } = await picture
		.toColourspace(deep ? (grey ? "grey16" : "rgb16") : grey ? "b-w" : "srgb")
		.raw({ depth: deep ? "ushort" : "uchar" })
		.toBuffer({ resolveWithObject: true });
	const values = deep ? new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2) : data;
	const { width, height } = info;
	const level = levelOf(window);
	const levels = new Float32Array(width * height * fitted.channels);
	for (let i = 0; i < levels.length; i++) {
		const [pixel, channel] = [Math.floor(i / fitted.channels), i % fitted.channels];
		levels[i] = level(values[pixel * info.channels + channel] as number);
	}
	const sample = await fitPicture({ width, height, channels: fitted.channels, levels }, fitted);
	return Uint8Array.from(sample.data, (value) => Math.round(255 * value));
}

async function decodeBytes(picture: Sharp, size: number, channels: 1 | 3, fit: Fit): Promise<Uint8Array> {
	const bytes = await picture
		.toColourspace(channels === 1 ? "b-w" : "srgb")
		.resize(size, size, { fit, background: "black" })
		.raw()
		.toBuffer();
	return toPlanes(bytes, size * size, channels);
}

async function decodeDeep(picture: Sharp, size: number, channels: 1 | 3, fit: Fit): Promise<Uint8Array> {
	// Bars are added after scaling to 0..255: as value 0 they would count as the smallest value.
	const { data, info } = await picture
		.toColourspace(channels === 1 ? "grey16" : "rgb16")
		.resize(size, size, { fit: fit === "contain" ? "inside" : fit })
		.raw({ depth: "ushort" })
		.toBuffer({ resolveWithObject: true });
	const values = new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);
	let low = Number.POSITIVE_INFINITY;
	let high = Number.NEGATIVE_INFINITY;
	for (const value of values) {
		low = Math.min(low, value);
		high = Math.max(high, value);
	}
	const factor = high > low ? 255 / (high - low) : 0;
	const square = new Uint8Array(channels * size * size);
	const left = (size - info.width) >> 1;
	const top = (size - info.height) >> 1;
	for (let y = 0; y < info.height; y++) {
		for (let x = 0; x < info.width; x++) {
			for (let c = 0; c < channels; c++) {
				const value = values[(y * info.width + x) * info.channels + c] as number;
				square[(c * size + top + y) * size + left + x] = Math.round((value - low) * factor);
			}
		}
	}
	return square;
}

/** Interleaved samples, in whatever number of channels sharp gave, to planes of the first `channels`. */
function toPlanes(data: Uint8Array, pixels: number, channels: number): Uint8Array {
	const stride = data.length / pixels;
	const planes = new Uint8Array(channels * pixels);
	for (let c = 0; c < channels; c++) {
		for (let p = 0; p < pixels; p++) planes[c * pixels + p] = data[p * stride + c] as number;
	}
	return planes;
}
