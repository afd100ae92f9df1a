import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { padSpatial, type Window } from "./window.js";

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

/** The covered part of the image. */
export function cropToTiles(g: GraphBuilder, image: Value, window: Window): Value {
	const ends = tiledExtents(window);
	if (ends.every((end, i) => end === window.image[i])) return image;
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
