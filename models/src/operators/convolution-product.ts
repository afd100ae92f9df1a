import { int, ints } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { kernelOffsets, type Window } from "./window.js";

/** Most places a window may take, and fewest pairs of channels, for one product over the batch to be the faster form. */
const mostPlaces = 4;
const fewestPlanes = 64 * 64;

/**
 * Whether a convolution is better computed as one matrix product over all places of the batch. ONNX Runtime's Conv makes a
 * product for each sample, with as many columns as there are places: with few of them it reads all weights
 * for little work. With more places repeating the pixels costs more (docs/performance.md).
 * @param planes channels of the image times channels of the result
 */
export function isBetterAsProduct(planes: number, window: Window, groups: number): boolean {
	return groups === 1 && product(window.places) <= mostPlaces && planes >= fewestPlanes;
}

/** Convolution of an image [B,C,...image] with weights [M,C,...kernel] and a bias [M] as one product: [B,M,...places]. */
export function convolutionByProduct(
	g: GraphBuilder,
	image: Value,
	weights: Value,
	bias: Value | undefined,
	window: Window,
): Value {
	const [filters] = weights.shape as readonly number[];
	const places = product(window.places);
	const rows = g.add("Gemm", [pixelRows(g, image, window), matrix(g, weights), bias], { transB: int(1) });
	const byPlace = transpose(g, reshape(g, rows, [-1, places, filters as number]), [0, 2, 1]);
	return reshape(g, byPlace, [0, filters as number, ...window.places]);
}

/** Gradient of the image of such a convolution from that of its result [B,M,...places]. */
export function imageGradientByProduct(g: GraphBuilder, dy: Value, weights: Value, window: Window): Value {
	const channels = weights.shape[1] as number;
	const [places, offsets] = [product(window.places), product(window.kernel)];
	const rows = g.add("Gemm", [placeRows(g, dy, places), matrix(g, weights)]);
	const byChannel = transpose(g, reshape(g, rows, [-1, places, channels, offsets]), [0, 2, 1, 3]);
	const flat = reshape(g, byChannel, [0, channels, places * offsets]);
	const seen = incidence(window);
	const pixels = isIdentity(seen) ? flat : g.add("MatMul", [flat, constant(g, transposedRows(seen))]);
	return reshape(g, pixels, [0, channels, ...window.image]);
}

/** Gradient [M,C,...kernel] of the weights of such a convolution from its image and the gradient of its result. */
export function kernelGradientByProduct(g: GraphBuilder, image: Value, dy: Value, window: Window): Value {
	const rows = placeRows(g, dy, product(window.places));
	const gradient = g.add("Gemm", [rows, pixelRows(g, image, window)], { transA: int(1) });
	return reshape(g, gradient, [dy.shape[1] as number, image.shape[1] as number, ...window.kernel]);
}

/** The pixels each place sees, as a product takes them: [B,C,...image] to [B * places, C * offsets]. */
function pixelRows(g: GraphBuilder, image: Value, window: Window): Value {
	const channels = image.shape[1] as number;
	const [places, offsets] = [product(window.places), product(window.kernel)];
	const flat = reshape(g, image, [0, channels, product(window.image)]);
	const seen = incidence(window);
	const pixels = isIdentity(seen) ? flat : g.add("MatMul", [flat, constant(g, seen)]);
	const byPlace = transpose(g, reshape(g, pixels, [0, channels, places, offsets]), [0, 2, 1, 3]);
	return reshape(g, byPlace, [-1, channels * offsets]);
}

/** [B,M,...places] to [B * places, M]. */
function placeRows(g: GraphBuilder, values: Value, places: number): Value {
	const channels = values.shape[1] as number;
	return reshape(g, transpose(g, reshape(g, values, [0, channels, places]), [0, 2, 1]), [-1, channels]);
}

/** For each pixel a row with a 1 for each place and offset (the offsets of a place together) that sees it. */
function incidence(window: Window): readonly (readonly number[])[] {
	const seen = kernelOffsets(window.places).flatMap((place) =>
		kernelOffsets(window.kernel).map((offset) => {
			const at = place.map(
				(p, i) =>
					p * (window.strides[i] as number) +
					(offset[i] as number) * (window.dilations[i] as number) -
					(window.padsBegin[i] as number),
			);
			const inside = at.every((position, i) => position >= 0 && position < (window.image[i] as number));
			return inside ? at.reduce((index, position, i) => index * (window.image[i] as number) + position, 0) : -1;
		}),
	);
	return Array.from({ length: product(window.image) }, (_, pixel) => seen.map((index) => (index === pixel ? 1 : 0)));
}

const isIdentity = (rows: readonly (readonly number[])[]) =>
	rows.every((row, i) => row.length === rows.length && row.every((value, j) => value === (i === j ? 1 : 0)));

const transposedRows = (rows: readonly (readonly number[])[]) =>
	(rows[0] as readonly number[]).map((_, j) => rows.map((row) => row[j] as number));

const constant = (g: GraphBuilder, rows: readonly (readonly number[])[]) =>
	g.floats(rows.flat(), [rows.length, (rows[0] as readonly number[]).length]);

/** Weights [M,C,...kernel] as [M, C * offsets]. */
const matrix = (g: GraphBuilder, weights: Value) => reshape(g, weights, [weights.shape[0] as number, -1]);

const product = (extents: readonly number[]) => extents.reduce((a, b) => a * b, 1);

const reshape = (g: GraphBuilder, value: Value, shape: readonly number[]) => g.add("Reshape", [value, g.ints(shape)]);

const transpose = (g: GraphBuilder, value: Value, perm: readonly number[]) =>
	g.add("Transpose", [value], { perm: ints(perm) });
