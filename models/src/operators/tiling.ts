import { elementCount } from "@psgl/sdk";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { reshapeTo } from "./reshape.js";
import { enlarge } from "./resize.js";
import { kernelOffsets, padSpatial, type Window } from "./window.js";

/** Whether the window's places lie side by side inside the image: no overlap, no gap, no pads. */
export function isTiling(window: Window): boolean {
	return window.image.every(
		(extent, i) =>
			window.kernel[i] === window.strides[i] &&
			window.dilations[i] === 1 &&
			window.padsBegin[i] === 0 &&
			(tiledExtents(window)[i] as number) <= extent,
	);
}

/** Extents of the part of the image that tiles cover; what is left over lies at the end of each axis. */
export const tiledExtents = (window: Window) => window.places.map((places, i) => places * (window.kernel[i] as number));

/** Whether tiles leave no pixel out. */
export const coversImage = (window: Window) => tiledExtents(window).every((end, i) => end === window.image[i]);

/** The covered part of the image. */
export function cropToTiles(g: GraphBuilder, image: Value, window: Window): Value {
	const ends = tiledExtents(window);
	if (coversImage(window)) return image;
	return g.add("Slice", [image, g.ints(ends.map(() => 0)), g.ints(ends), g.ints(ends.map((_, i) => i + 2))]);
}

/** Zeros where no tile lies: the adjoint of `cropToTiles`. */
export function padToImage(g: GraphBuilder, tiles: Value, window: Window): Value {
	const left = tiledExtents(window).map((end, i) => (window.image[i] as number) - end);
	return padSpatial(
		g,
		tiles,
		left.map(() => 0),
		left,
	);
}

/** Up to so many pixels it is faster to multiply rows of them by a square matrix than to pass over them several times. */
export const fewPixels = 81;

/** What of an image is worked on at a time: a row of tiles, or the image where not all of it is tiles. The image is several of them, one after the other. */
export const bandOf = (window: Window, onlyTiles: boolean): readonly number[] =>
	onlyTiles ? [window.kernel[0] as number, ...tiledExtents(window).slice(1)] : window.image;

/** Gives every pixel of a tile the value of its place, [B,C,...places] to [B,C,...tiledExtents]; or to the whole image, with zeros where no tile lies. */
export function spreadOverTiles(g: GraphBuilder, values: Value, window: Window, onlyTiles: boolean): Value {
	const band = bandOf(window, onlyTiles);
	if (elementCount(band) > fewPixels && onlyTiles) return enlarge(g, values, window.kernel);
	const places = onlyTiles ? [1, ...window.places.slice(1)] : window.places;
	// One product with numbers 0 and 1 instead of a Resize and a Pad.
	const weights = kernelOffsets(places).flatMap((place) =>
		kernelOffsets(band).map((pixel) =>
			pixel.every((p, i) => Math.floor(p / (window.kernel[i] as number)) === place[i]) ? 1 : 0,
		),
	);
	const rows = g.add("Reshape", [values, g.ints([-1, elementCount(places)])]);
	const product = g.add("MatMul", [rows, g.floats(weights, [elementCount(places), elementCount(band)])]);
	const extents = onlyTiles ? tiledExtents(window) : window.image;
	return reshapeTo(g, product, { shape: [...values.shape.slice(0, 2), ...extents] });
}
