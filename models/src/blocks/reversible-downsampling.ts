import { int, ints } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";

/**
 * Space to depth by two: pictures [B,C,H,W] -> [B,4C,ceil(H/2),ceil(W/2)] with channel c*4 + dy*2 + dx, signals [B,C,L]
 * -> [B,2C,ceil(L/2)] with channel c*2 + dx. This is PyTorch's order; ONNX SpaceToDepth has another. Odd extents are
 * padded with zeros at the end.
 */
export function reversibleDownsampling(g: GraphBuilder, x: Value): Value {
	const [, channels, ...extents] = x.shape as readonly [unknown, number, ...number[]];
	const even = paddedToEven(g, x, extents);
	const halves = extents.map((extent) => Math.ceil(extent / 2));
	if (halves.length === 2) return pictureInBlocks(g, even, channels, halves);
	const folded = g.add("Reshape", [even, g.ints([0, channels, ...halves.flatMap((half) => [half, 2])])]);
	const gathered = g.add("Transpose", [folded], { perm: ints([0, 1, 3, 2]) });
	return g.add("Reshape", [gathered, g.ints([0, channels * 2, ...halves])]);
}

/** SpaceToDepth, then whole planes into PyTorch's order: 4 to 5 times as fast as one Transpose of single pixels. */
function pictureInBlocks(g: GraphBuilder, x: Value, channels: number, halves: readonly number[]): Value {
	const blocks = g.add("SpaceToDepth", [x], { blocksize: int(2) });
	if (channels === 1) return blocks;
	const planes = g.add("Reshape", [blocks, g.ints([0, 4, channels, ...halves])]);
	const ordered = g.add("Transpose", [planes], { perm: ints([0, 2, 1, 3, 4]) });
	return g.add("Reshape", [ordered, g.ints([0, 4 * channels, ...halves])]);
}

/**
 * The inverse of `reversibleDownsampling`: [B,4C,h,w] -> [B,C,H,W], [B,2C,l] -> [B,C,L].
 * @param extents [H,W] or [L] of the original; the padding of odd ones is cut off.
 */
export function reversibleUpsampling(g: GraphBuilder, z: Value, extents: readonly number[]): Value {
	const [, packed, ...halves] = z.shape as readonly number[];
	const channels = (packed as number) / 2 ** halves.length;
	const even =
		halves.length === 2 ? pictureFromBlocks(g, z, channels, halves) : signalFromPairs(g, z, channels, halves);
	const axes = extents.map((_, i) => i).filter((i) => extents[i] !== 2 * (halves[i] as number));
	if (axes.length === 0) return even;
	const ends = axes.map((i) => extents[i] as number);
	return g.add("Slice", [even, g.ints(axes.map(() => 0)), g.ints(ends), g.ints(axes.map((i) => i + 2))]);
}

/** Columns of pixels into rows, then rows into the picture, two axes at a time: in half to two thirds of the time that DepthToSpace takes. */
function pictureFromBlocks(g: GraphBuilder, z: Value, channels: number, [height, width]: readonly number[]): Value {
	const [h, w] = [height as number, width as number];
	const columns = g.add("Reshape", [z, g.ints([-1, 2, h * w])]);
	const rows = g.add("Transpose", [columns], { perm: ints([0, 2, 1]) });
	const pairs = g.add("Reshape", [rows, g.ints([-1, 2, h, 2 * w])]);
	const ordered = g.add("Transpose", [pairs], { perm: ints([0, 2, 1, 3]) });
	return g.add("Reshape", [ordered, g.ints([-1, channels, 2 * h, 2 * w])]);
}

function signalFromPairs(g: GraphBuilder, z: Value, channels: number, halves: readonly number[]): Value {
	const folded = g.add("Reshape", [z, g.ints([0, channels, 2, ...halves])]);
	const spread = g.add("Transpose", [folded], { perm: ints([0, 1, 3, 2]) });
	return g.add("Reshape", [spread, g.ints([0, channels, ...halves.map((half) => 2 * half)])]);
}

/**
 * What the client segment sees: the perturbed input after reversible downsampling, and as one more channel the map,
 * averaged over its channels and over the places that became one. [B,C,H,W] -> [B,4C+1,H/2,W/2], [B,C,L] ->
 * [B,2C+1,L/2].
 * @param map of the shape of `perturbed`. Left out: a channel of zeros, as for the input the map itself is made from.
 */
export function packClientInput(g: GraphBuilder, perturbed: Value, map: Value | undefined): Value {
	return withMapChannel(g, reversibleDownsampling(g, perturbed), map && reversibleDownsampling(g, map));
}

/** The same of an input and a map that are downsampled already. */
export function withMapChannel(g: GraphBuilder, packed: Value, map: Value | undefined): Value {
	// The 4C channels of the downsampled map hold every value that is averaged.
	const averaged = map && g.add("ReduceMean", [map, g.ints([1])], { keepdims: int(1) });
	if (averaged !== undefined) return g.add("Concat", [packed, averaged], { axis: int(1) });
	const rank = packed.shape.length;
	const pads = new Array(2 * rank).fill(0);
	pads[rank + 1] = 1;
	return g.add("Pad", [packed, g.ints(pads)]);
}

function paddedToEven(g: GraphBuilder, x: Value, extents: readonly number[]): Value {
	const odd = extents.map((extent) => extent % 2);
	if (!odd.includes(1)) return x;
	return g.add("Pad", [x, g.ints([...x.shape.map(() => 0), 0, 0, ...odd])]);
}
