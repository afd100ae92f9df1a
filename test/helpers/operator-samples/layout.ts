import { tensor } from "@psgl/sdk";
import { int, ints, type OperatorSample, sample, sampleOf } from "./sample.js";

const image = { x: [3, 2, 4, 6] };

/** Operators that move elements, or tell of their places. */
export const layoutSamples: Readonly<Record<string, OperatorSample>> = {
	ArgMax: sample("ArgMax", { data: [3, 4] }, { attributes: { axis: int(1) } }),
	Concat: sample(
		"Concat",
		{ a: [3, 2, 4], b: [3, 1, 4] },
		{ batched: ["a", "b"], attributes: { axis: int(1) }, golden: ["concat_axis1"], drawn: "layout" },
	),
	DepthToSpace: sample("DepthToSpace", { input: [3, 8, 2, 3] }, { attributes: { blocksize: int(2) } }),
	Expand: sampleOf({ input: [3, 1, 4] }, (g, x) => g.add("Expand", [x, g.ints([1, 5, 1])]), { golden: ["expand"] }),
	Flatten: sample("Flatten", image, { attributes: { axis: int(2) } }),
	Gather: sampleOf({ data: [3, 4, 5] }, (g, x) => g.add("Gather", [x, g.ints([3, 0, 3])], { axis: int(1) }), {
		golden: ["gather"],
		drawn: "layout",
	}),
	OneHot: sampleOf({ x: [3, 4] }, (g, x) =>
		g.add("OneHot", [g.add("ArgMax", [x], { axis: int(1), keepdims: int(0) }), g.ints([4]), g.floats([0, 1])]),
	),
	Pad: sampleOf({ data: [3, 4, 5] }, (g, x) => g.add("Pad", [x, g.ints([0, 1, 2, 0, 3, 0]), g.scalar(0.5)]), {
		golden: ["pad_constant", "pad_edge"],
		drawn: "layout",
	}),
	Range: sampleOf(image, (g, x) => {
		const length = g.add("Squeeze", [g.add("Shape", [x], { start: int(0), end: int(1) })]);
		const [zero, one] = [0n, 1n].map((n) => g.constant(tensor("int64", [], BigInt64Array.of(n))));
		return g.add("Range", [zero, length, one]);
	}),
	Reshape: sampleOf({ data: [3, 2, 6] }, (g, x) => g.add("Reshape", [x, g.ints([0, -1, 3])]), { golden: ["reshape"] }),
	Resize: sampleOf(
		{ X: [2, 2, 4, 5] },
		(g, x) =>
			g.add("Resize", [x, undefined, undefined, g.ints([3, 7])], {
				mode: { type: "string", value: "linear" },
				axes: ints([2, 3]),
			}),
		{ golden: ["resize_nearest2"], drawn: "resize" },
	),
	Shape: sample("Shape", image),
	Size: sample("Size", image),
	Slice: sampleOf(
		{ data: [3, 7, 8] },
		(g, x) => g.add("Slice", [x, g.ints([1, -1]), g.ints([7, 0]), g.ints([1, 2]), g.ints([3, -2])]),
		{ golden: ["slice"], drawn: "layout" },
	),
	SpaceToDepth: sample("SpaceToDepth", image, { attributes: { blocksize: int(2) } }),
	Split: sampleOf({ input: [3, 6] }, (g, x) => {
		const [a, b] = g.addMany("Split", [x], 2, { axis: int(1), num_outputs: int(2) });
		return g.add("Mul", [a, b]);
	}),
	Squeeze: sampleOf({ data: [3, 1, 5] }, (g, x) => g.add("Squeeze", [x, g.ints([1])])),
	Tile: sampleOf({ input: [3, 2, 4] }, (g, x) => g.add("Tile", [x, g.ints([2, 1, 3])]), { drawn: "arithmetic" }),
	Transpose: sample("Transpose", image, { attributes: { perm: ints([0, 3, 1, 2]) }, golden: ["transpose"] }),
	Unsqueeze: sampleOf({ data: [3, 5] }, (g, x) =>
		g.add("Unsqueeze", [x, g.constant(tensor("int64", [2], BigInt64Array.of(1n, -1n)))]),
	),
};
