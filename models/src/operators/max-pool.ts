import { elementCount } from "@psgl/sdk";
import { int, ints, numberAttribute, string } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Node, Value } from "../graph/graph.js";
import { areOfOneBatch, bySample } from "./by-sample.js";
import { castTo, zerosLike } from "./constants.js";
import { type Operator, requiredInput, shapeMismatch } from "./operator.js";
import { inferPooling, poolingWindow } from "./pooling.js";
import { reshapeTo } from "./reshape.js";
import { notBelowZero } from "./step.js";
import {
	bandOf,
	coversImage,
	cropToTiles,
	fewPixels,
	isTiling,
	padToImage,
	spreadOverTiles,
	tiledExtents,
} from "./tiling.js";
import { kernelOffsets, type Window } from "./window.js";

/** From so many pixels of a sample on what lies between the steps of the backward is best computed sample by sample. */
const manyPixels = 2 ** 15;

/**
 * Largest pixel under the window, [B,C,...] to [B,C,...places], and where it lies: int64 of the same shape, the place in
 * the whole tensor row-major, the first of several equal ones (ONNX MaxPool).
 */
export const maxPool: Operator = {
	type: "MaxPool",
	limits: "storage_order 0",
	infer(node) {
		if (numberAttribute(node.attributes, "storage_order", 0) !== 0) throw shapeMismatch(node, "a storage_order of 0");
		const largest = inferPooling(node);
		return node.outputCount > 1
			? [...largest, ...largest.map(({ shape }) => ({ dtype: "int64" as const, shape }))]
			: largest;
	},
	backward(g, node, [gradient]) {
		const window = poolingWindow(node);
		const x = requiredInput(node, 0);
		if (gradient === undefined) return [];
		if (!isTiling(window)) return [giveToLargest(g, node, x, gradient)];
		const largest = ofAllWindows(g, node, node.outputs[0] as Value);
		const values = [x, largest, gradient];
		const isLarge = elementCount(x.shape.slice(1) as readonly number[]) >= manyPixels && areOfOneBatch(values);
		const given = (b: GraphBuilder, [image, y, dy]: readonly Value[]) => [
			giveToFirstOfTile(b, image as Value, y as Value, dy as Value, window),
		];
		if (!isLarge) return given(g, values);
		return bySample(g, values, given).map((samples) => reshapeTo(g, samples, x));
	},
};

/**
 * The backward of windows that do not overlap, at the size of the image, 1.5 to 2.5 times as fast as by offsets: pixels
 * as large as the largest of their tile are marked, and the first one of a tile takes the gradient.
 */
function giveToFirstOfTile(g: GraphBuilder, x: Value, y: Value, gradient: Value, window: Window): Value {
	// To cut off what no tile covers and put it back takes longer than to compute it, in a small image.
	const isWhole = coversImage(window) || elementCount(window.image) > fewPixels;
	const image = isWhole ? cropToTiles(g, x, window) : x;
	const spread = (value: Value) => spreadOverTiles(g, value, window, isWhole);
	const large = castTo(g, g.add("Equal", [image, spread(y)]), x.dtype);
	const first = firstOfTile(g, large, window, isWhole);
	// Multiplying is twice as fast as Where.
	const given = g.add("Mul", [first, spread(gradient)]);
	return isWhole ? padToImage(g, given, window) : given;
}

/** 1 for the first, row-major, of the pixels of a tile that are 1, 0 for the others; 0 also where no tile lies. */
function firstOfTile(g: GraphBuilder, large: Value, window: Window, onlyTiles: boolean): Value {
	const band = bandOf(window, onlyTiles);
	const pixels = elementCount(band);
	if (pixels <= fewPixels) {
		const rows = g.add("Reshape", [large, g.ints([-1, pixels])]);
		const alone = g.add("Gemm", [rows, g.floats(withoutEarlier(band, window), [pixels, pixels])]);
		return reshapeTo(g, g.add("Relu", [alone]), large);
	}
	const marks = g.add("Mul", [large, ranks(g, window)]);
	const highest = g.add("MaxPool", [marks], { kernel_shape: ints(window.kernel), strides: ints(window.strides) });
	return notBelowZero(g, g.add("Sub", [marks, spreadOverTiles(g, highest, window, onlyTiles)]));
}

/** Numbers [pixels,pixels] that a row of pixels is multiplied by: each of a tile less those in front of it in its tile. */
function withoutEarlier(extents: readonly number[], window: Window): readonly number[] {
	const tiles = kernelOffsets(extents).map((position) => tileOf(position, window));
	return tiles.flatMap((earlier, i) =>
		tiles.map((tile, j) => (tile === undefined || tile !== earlier || i > j ? 0 : i === j ? 1 : -1)),
	);
}

/** Which tile a pixel lies in; undefined where none does. */
function tileOf(position: readonly number[], { kernel, places }: Window): string | undefined {
	const tile = position.map((p, i) => Math.floor(p / (kernel[i] as number)));
	return tile.every((t, i) => t < (places[i] as number)) ? tile.join() : undefined;
}

/** For each pixel of the tiles: n for the first of n in a tile, row-major, down to 1 for the last. */
function ranks(g: GraphBuilder, window: Window): Value {
	const count = elementCount(window.kernel);
	const extents = tiledExtents(window);
	const values = kernelOffsets(extents).map((position) => {
		const index = position.reduce((sum, p, i) => {
			const kernel = window.kernel[i] as number;
			return sum * kernel + (p % kernel);
		}, 0);
		return count - index;
	});
	return g.floats(values, extents);
}

/**
 * The backward of windows that may overlap: each gradient goes to the pixel the index output names. In tiles that output
 * takes longer than comparing; here, where it saves a pass for each place of the kernel, [32,64,32,32] under windows of
 * 3x3 takes half the time. A window of nothing but -Infinity or NaN has no index.
 */
function giveToLargest(g: GraphBuilder, node: Node, x: Value, gradient: Value): Value {
	const [, indices] = g.addMany("MaxPool", [x], 2, node.attributes);
	const flat = (value: Value) => g.add("Reshape", [value, g.ints([-1])]);
	const places = flat(ofAllWindows(g, node, indices as Value));
	const sums = g.add("ScatterElements", [flat(zerosLike(g, x)), places, flat(gradient)], {
		axis: int(0),
		reduction: string("add"),
	});
	return reshapeTo(g, sums, x);
}

/**
 * An output of the node. With `ceil_mode` through a Slice that keeps all of it: ONNX's static shape inference counts windows
 * that start beyond the image, which ONNX Runtime drops, and loading fails where such a shape meets the true one.
 */
function ofAllWindows(g: GraphBuilder, node: Node, output: Value): Value {
	if (numberAttribute(node.attributes, "ceil_mode", 0) !== 1) return output;
	const { places } = poolingWindow(node);
	const axes = places.map((_, i) => i + 2);
	return g.add("Slice", [output, g.ints(axes.map(() => 0)), g.ints(places), g.ints(axes)]);
}
