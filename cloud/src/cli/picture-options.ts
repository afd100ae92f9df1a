import type { PictureOptions } from "@psgl/sdk/sources";
import { z } from "zod";
import { type OptionValues, option } from "./options/option.js";

/** What of each picture becomes a sample. */
export const pictureOptions = {
	crop: option(
		"L,T,W,H",
		"part of each picture to keep, pixels of the upright picture: left, top, width, height (default: all)",
		z
			.string()
			.regex(/^\d+,\d+,[1-9]\d*,[1-9]\d*$/, "left,top,width,height in pixels, such as 100,40,512,512")
			.optional(),
	),
	levels: option(
		"CENTRE,WIDTH",
		"levels of the file from black to white, such as 40,400 for soft tissue in CT (default: the file's own)",
		z
			.string()
			.regex(/^-?\d+(\.\d+)?,\d+(\.\d+)?$/, "centre,width in the file's levels, such as 40,400")
			.optional(),
	),
	fit: option(
		"WAY",
		"how a picture becomes a square: contain (whole, black bars), cover (its middle), fill (stretched)",
		z.enum(["contain", "cover", "fill"]).default("contain"),
	),
} as const;

/** The same for `loadData`. */
export function pictureOf({ crop, levels, fit }: OptionValues<typeof pictureOptions>): PictureOptions {
	const [left = 0, top = 0, width = 0, height = 0] = crop?.split(",").map(Number) ?? [];
	const [centre = 0, span = 0] = levels?.split(",").map(Number) ?? [];
	return {
		fit,
		...(crop !== undefined && { crop: { left, top, width, height } }),
		...(levels !== undefined && { window: { centre, width: span } }),
	};
}
