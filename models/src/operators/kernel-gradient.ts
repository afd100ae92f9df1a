import { int, ints } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { areOfOneBatch, bySample } from "./by-sample.js";
import { isBetterAsProduct, kernelGradientByProduct } from "./convolution-product.js";
import { padChannelsLast, padSpatial, pixelsOfPadded, pixelsUnderKernel, type Window } from "./window.js";

/** With fewer channels a row of pixels does not fill the registers of a matrix product. */
const fewChannels = 12;

/** From so many pixels under all places of a sample's window on those of a whole batch leave the processor's cache. */
const manyPixels = 100_000;

/** With so many channels a row of pixels is long enough for the products over the whole batch to be as fast. */
const manyChannels = 32;

/**
 * Gradient of a convolution's kernel [M, C/groups, ...kernel] from the image [B,C,...spatial] its window
 * moves over and the values [B,M,...places] at the other end: matrix products of the pixels under each
 * place of the kernel with those values. ONNX Runtime's Conv with batch and channels exchanged computes the same and
 * takes 1.3 to 2.4 times as long (docs/performance.md).
 */
export function kernelGradient(g: GraphBuilder, image: Value, values: Value, window: Window, groups: number): Value {
	const planes = (image.shape[1] as number) * (values.shape[1] as number);
	if (isBetterAsProduct(planes, window, groups)) return kernelGradientByProduct(g, image, values, window);
	if (isBetterByPhase(image, values, window, groups)) return byPhase(g, image, values, window);
	const channels = image.shape[1] as number;
	const pixels = [channels, ...window.kernel, ...window.places].reduce((a, b) => a * b, 1);
	const isLarge = pixels >= manyPixels && channels < manyChannels && areOfOneBatch([image, values]);
	if (groups === 1 && channels >= fewChannels && !isLarge) return byOffset(g, image, values, window);
	const perSample = (b: GraphBuilder, [picture, result]: readonly Value[]) => [
		productsOfSamples(b, picture as Value, result as Value, window, groups),
	];
	const [products] = isLarge ? bySample(g, [image, values], perSample) : perSample(g, [image, values]);
	return sumOfProducts(g, products as Value, window, groups);
}

/**
 * One product over the places of all samples for each offset. With the channels last an offset is a Slice of long runs,
 * nothing is repeated in memory, and no sum over the batch remains.
 */
function byOffset(g: GraphBuilder, image: Value, values: Value, window: Window): Value {
	const channels = image.shape[1] as number;
	const filters = values.shape[1] as number;
	const spatial = window.image.map((_, i) => i);
	const padded = padChannelsLast(g, transpose(g, image, [0, ...spatial.map((i) => i + 2), 1]), window);
	const rows = reshape(g, transpose(g, values, [1, 0, ...spatial.map((i) => i + 2)]), [filters, -1]);
	const products = pixelsOfPadded(g, padded, window, 1).map((pixels) =>
		g.add("Gemm", [rows, reshape(g, pixels, [-1, channels])]),
	);
	if (products.length === 1) return reshape(g, products[0] as Value, [filters, channels, ...window.kernel]);
	const offsets = reshape(g, g.add("Concat", products, { axis: int(0) }), [products.length, filters, channels]);
	return reshape(g, transpose(g, offsets, [1, 2, 0]), [filters, channels, ...window.kernel]);
}

/**
 * Whether a window of few channels moves by steps in which its pixels can be put behind each other, as channels. The one product
 * over all samples needs to know that both sides have as many, which it does not where another input gives the image's number.
 */
function isBetterByPhase(image: Value, values: Value, { strides, dilations }: Window, groups: number): boolean {
	const [step = 1] = strides;
	const channels = image.shape[1] as number;
	return (
		groups === 1 &&
		image.shape[0] === values.shape[0] &&
		strides.length === 2 &&
		step > 1 &&
		strides[1] === step &&
		dilations.every((d) => d === 1) &&
		channels < fewChannels &&
		channels * step * step >= fewChannels
	);
}

/**
 * With the pixels of one step as channels, [B,C,H,W] to [B,steps * C,H/step,W/step], the window moves by one pixel and has a smaller kernel:
 * its offsets are fewer, and none skips pixels. The kernel's gradient comes out in the same order and with a margin that is cut off.
 */
function byPhase(g: GraphBuilder, image: Value, values: Value, window: Window): Value {
	const step = window.strides[0] as number;
	const [channels, filters] = [image.shape[1] as number, values.shape[1] as number];
	const kernel = window.kernel.map((extent) => Math.ceil(extent / step));
	const begin = window.padsBegin;
	const extents = window.image.map((extent, i) => {
		const moved = (window.places[i] as number) - 1 + (kernel[i] as number);
		return Math.max(moved, Math.ceil((extent + (begin[i] as number)) / step));
	});
	const end = extents.map((extent, i) => extent * step - (window.image[i] as number) - (begin[i] as number));
	const phases = g.add("SpaceToDepth", [padSpatial(g, image, begin, end)], { blocksize: int(step) });
	const none = [0, 0];
	const ones = [1, 1];
	const moved = {
		kernel,
		strides: ones,
		dilations: ones,
		padsBegin: none,
		padsEnd: none,
		image: extents,
		places: window.places,
	};
	const gradient = kernelGradient(g, phases, values, moved, 1);
	const apart = transpose(g, reshape(g, gradient, [filters, step, step, channels, ...kernel]), [0, 3, 4, 1, 5, 2]);
	const whole = reshape(g, apart, [filters, channels, ...kernel.map((extent) => extent * step)]);
	return g.add("Slice", [whole, g.ints(none), g.ints(window.kernel), g.ints([2, 3])]);
}

/** A product for each sample and group over all offsets at once, the pixels on the left: [B,groups,offsets * C/groups,M/groups]. */
function productsOfSamples(g: GraphBuilder, image: Value, values: Value, window: Window, groups: number): Value {
	const channels = (image.shape[1] as number) / groups;
	const filters = (values.shape[1] as number) / groups;
	const places = window.places.reduce((a, b) => a * b, 1);
	const pixels = pixelsUnderKernel(g, image, window);
	const columns = reshape(g, inGroups(g, pixels, groups, channels), [0, groups, pixels.length * channels, places]);
	const rows = transpose(g, reshape(g, values, [0, groups, filters, places]), [0, 1, 3, 2]);
	return g.add("MatMul", [columns, rows]);
}

/** The kernel's gradient from the products of all samples. */
function sumOfProducts(g: GraphBuilder, products: Value, { kernel }: Window, groups: number): Value {
	const offsets = kernel.reduce((a, b) => a * b, 1);
	const [rows, filters] = products.shape.slice(-2) as [number, number];
	const axes = products.shape.slice(0, -3).map((_, i) => i);
	const summed = g.add("ReduceSum", [products, g.ints(axes)], { keepdims: int(0) });
	const ordered = transpose(g, reshape(g, summed, [groups, offsets, rows / offsets, filters]), [0, 3, 2, 1]);
	return reshape(g, ordered, [groups * filters, rows / offsets, ...kernel]);
}

/** All offsets behind each other, for each group on its own: [B,C,...] each to [B,groups,offsets * channels,...]. */
function inGroups(g: GraphBuilder, pixels: readonly Value[], groups: number, channels: number): Value {
	if (pixels.length === 1) return pixels[0] as Value;
	if (groups === 1) return g.add("Concat", pixels, { axis: int(1) });
	const split = pixels.map((value) =>
		reshape(g, value, [0, groups, channels, ...(value.shape.slice(2) as readonly number[])]),
	);
	return g.add("Concat", split, { axis: int(2) });
}

const reshape = (g: GraphBuilder, value: Value, shape: readonly number[]) => g.add("Reshape", [value, g.ints(shape)]);

const transpose = (g: GraphBuilder, value: Value, perm: readonly number[]) =>
	g.add("Transpose", [value], { perm: ints(perm) });
