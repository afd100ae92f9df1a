import { ConfigError } from "../errors.js";
import type { Tensor } from "../tensor.js";

/** A picture as levels in [0,1], before it is brought to the size of a sample. */
export interface PictureLevels {
	readonly width: number;
	readonly height: number;
	readonly channels: 1 | 3;
	/** [height, width, channels]. */
	readonly levels: Float32Array;
}

/** Pixels of the picture to keep; the rest is cut off. */
export interface Crop {
	readonly left: number;
	readonly top: number;
	readonly width: number;
	readonly height: number;
}

/** How a picture becomes a square: `contain`: the whole of it, black bars. `cover`: the middle square. `fill`: stretched. */
export type Fit = "contain" | "cover" | "fill";

export interface FitOptions {
	/** Side of the square sample, pixels. */
	readonly size: number;
	/** 1 grey, 3 RGB. */
	readonly channels: 1 | 3;
	/** Default `contain`. */
	readonly fit?: Fit | undefined;
}

/** Brings a picture to a square sample [channels, size, size], levels in [0,1], with 16 bits a channel in between. */
export async function fitPicture(picture: PictureLevels, options: FitOptions): Promise<Tensor<"float32">> {
	const { size, channels, fit = "contain" } = options;
	const { default: sharp } = await import("sharp");
	const deep = Uint16Array.from(picture.levels, (level) => Math.round(Math.min(1, Math.max(0, level)) * 65_535));
	const { width, height } = picture;
	const bytes = await sharp(deep, { raw: { width, height, channels: picture.channels } })
		.resize(size, size, { fit, background: "black" })
		.toColourspace(channels === 1 ? "grey16" : "rgb16")
		.raw({ depth: "ushort" })
		.toBuffer();
	const values = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
	const stride = values.length / (size * size);
	const data = new Float32Array(channels * size * size);
	for (let c = 0; c < channels; c++) {
		for (let p = 0; p < size * size; p++) data[c * size * size + p] = (values[p * stride + c] as number) / 65_535;
	}
	return { dtype: "float32", dims: [channels, size, size], data };
}

/**
 * Keeps a part of a picture.
 * @throws ConfigError `PSGL_IMAGE_CROP` when it is not inside the picture
 */
export function cropPicture(picture: PictureLevels, crop: Crop): PictureLevels {
	requireInside(crop, picture);
	const { left, top, width, height } = crop;
	const { channels } = picture;
	const levels = new Float32Array(width * height * channels);
	for (let y = 0; y < height; y++) {
		const from = ((top + y) * picture.width + left) * channels;
		levels.set(picture.levels.subarray(from, from + width * channels), y * width * channels);
	}
	return { width, height, channels, levels };
}

/** @throws ConfigError `PSGL_IMAGE_CROP` when it is not inside the picture */
export function requireInside(crop: Crop, picture: { readonly width: number; readonly height: number }): void {
	const { left, top, width, height } = crop;
	const inside =
		[left, top, width, height].every(Number.isInteger) &&
		left >= 0 &&
		top >= 0 &&
		width > 0 &&
		height > 0 &&
		left + width <= picture.width &&
		top + height <= picture.height;
	if (inside) return;
	throw new ConfigError("PSGL_IMAGE_CROP", {
		what: "the part of the picture to keep is not inside it",
		got: `${width} x ${height} pixels from ${left}, ${top}`,
		expected: `whole pixels inside ${picture.width} x ${picture.height}`,
	});
}
