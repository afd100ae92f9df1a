import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { zerosLike } from "./constants.js";
import { kernelOffsets, padSpatial, type Window } from "./window.js";

/**
 * Adds up what each place of the kernel gives back to the image: the adjoint of `pixelsUnderKernel`.
 * `parts` holds one value [B,C,...places] for each offset in the kernel, row-major.
 *
 * Offsets that are equal modulo the strides fall on the same pixels of the image, so their parts are
 * shifted and added as whole planes; the planes then interleave by one Transpose. Kernels that do not
 * overlap need no addition.
 */
export function spreadWindows(g: GraphBuilder, parts: readonly Value[], window: Window): Value {
	const { strides, dilations, places } = window;
	const offsets = kernelOffsets(window.kernel).map((o) => o.map((k, i) => k * (dilations[i] as number)));
	const blocks = places.map((count, i) => {
		const last = offsets.at(-1)?.[i] as number;
		const needed = Math.ceil(((window.padsBegin[i] as number) + (window.image[i] as number)) / (strides[i] as number));
		return Math.max(count + Math.floor(last / (strides[i] as number)), needed);
	});
	const planes = kernelOffsets(strides).map((residue) => {
		let plane: Value | undefined;
		offsets.forEach((offset, k) => {
			if (offset.some((o, i) => o % (strides[i] as number) !== residue[i])) return;
			const shift = offset.map((o, i) => Math.floor(o / (strides[i] as number)));
			const rest = shift.map((s, i) => (blocks[i] as number) - s - (places[i] as number));
			const moved = padSpatial(g, parts[k] as Value, shift, rest);
			plane = plane === undefined ? moved : g.add("Add", [plane, moved]);
		});
		return plane;
	});
	return cropToImage(g, interleave(g, planes, parts[0] as Value, blocks, strides), window);
}

/** Planes [B,C,...blocks], one for each residue of the strides, woven into [B,C,...(blocks * strides)]. */
function interleave(
	g: GraphBuilder,
	planes: readonly (Value | undefined)[],
	like: Value,
	blocks: readonly number[],
	strides: readonly number[],
): Value {
	if (planes.length === 1) return planes[0] as Value;
	const channels = like.shape[1] as number;
	const present = planes.find((p) => p !== undefined) as Value;
	// A residue no offset falls on (stride larger than the kernel) holds pixels no window sees.
	const filled = planes.map((p) => p ?? zerosLike(g, present));
	const stacked = g.add("Concat", filled, { axis: int(1) });
	const n = blocks.length;
	const split = g.add("Reshape", [stacked, g.ints([0, ...strides, channels, ...blocks])]);
	const perm = [0, n + 1, ...blocks.flatMap((_, i) => [n + 2 + i, 1 + i])];
	const woven = g.add("Transpose", [split], { perm: { type: "ints", value: perm } });
	return g.add("Reshape", [woven, g.ints([0, channels, ...blocks.map((b, i) => b * (strides[i] as number))])]);
}

/** Cuts the pads off: pixels [padsBegin, padsBegin + image) of each spatial axis. */
function cropToImage(g: GraphBuilder, value: Value, window: Window): Value {
	const whole = window.image.every((extent, i) => window.padsBegin[i] === 0 && value.shape[i + 2] === extent);
	if (whole) return value;
	const ends = window.image.map((extent, i) => (window.padsBegin[i] as number) + extent);
	return g.add("Slice", [value, g.ints(window.padsBegin), g.ints(ends), g.ints(ends.map((_, i) => i + 2))]);
}
