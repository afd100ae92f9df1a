import { type Attributes, int, ints, intsAttribute, numberAttribute } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import { staticShape, type Value } from "../graph/graph.js";
import { imageGradientByProduct, isBetterAsProduct } from "./convolution-product.js";
import { kernelGradient } from "./kernel-gradient.js";
import { type InferenceContext, type Operator, requiredInput, shapeMismatch } from "./operator.js";
import { padsAttribute, reach, spatialExtents, type Window, windowOver } from "./window.js";

/** Convolution over any number of spatial axes: x [B,C,...], weights [M,C/groups,...kernel], bias [M] (ONNX Conv). */
export const conv: Operator = {
	type: "Conv",
	infer(node) {
		const x = requiredInput(node, 0);
		const weights = requiredInput(node, 1);
		const bias = node.inputs[2];
		const kernel = kernelExtents(node, weights);
		const groups = numberAttribute(node.attributes, "group", 1);
		const [filters, perGroup] = weights.shape as readonly number[];
		if (x.shape.length !== weights.shape.length || x.shape[1] !== (perGroup as number) * groups) {
			throw shapeMismatch(node, `an image with ${(perGroup as number) * groups} channels`);
		}
		if ((filters as number) % groups !== 0) throw shapeMismatch(node, `a multiple of ${groups} filters`);
		if (bias !== undefined && (bias.shape.length !== 1 || bias.shape[0] !== filters)) {
			throw shapeMismatch(node, `a bias [${filters}]`);
		}
		const { places } = windowOver(node, spatialExtents(node, x.shape), kernel);
		return [{ dtype: x.dtype, shape: [x.shape[0] as number, filters as number, ...places] }];
	},
	backward(g, node, [gradient], needed) {
		const x = requiredInput(node, 0);
		const weights = requiredInput(node, 1);
		const dy = gradient as Value;
		const window = windowOver(node, x.shape.slice(2) as readonly number[], weights.shape.slice(2) as readonly number[]);
		const groups = numberAttribute(node.attributes, "group", 1);
		return [
			needed[0] ? imageGradient(g, dy, weights, window, groups) : undefined,
			needed[1] ? kernelGradient(g, x, dy, window, groups) : undefined,
			needed[2] ? sumOverPlaces(g, dy) : undefined,
		];
	},
};

/** Kernel extents of weights [.,.,...kernel], which must agree with `kernel_shape`. @throws ShapeError */
export function kernelExtents(context: InferenceContext, weights: Value): readonly number[] {
	const shape = staticShape(weights.shape);
	if (shape === undefined || shape.length < 3) throw shapeMismatch(context, "weights [M,C/groups,...kernel]");
	const kernel = shape.slice(2);
	const declared = intsAttribute(context.attributes, "kernel_shape");
	if (declared !== undefined && declared.join() !== kernel.join()) {
		throw shapeMismatch(context, `weights with the kernel [${declared.join()}] of kernel_shape`);
	}
	return kernel;
}

/** Bias gradient: [B,M,...] summed over all but the channels. */
export function sumOverPlaces(g: GraphBuilder, dy: Value): Value {
	return g.add("ReduceSum", [dy, g.ints(dy.shape.flatMap((_, i) => (i === 1 ? [] : [i])))], { keepdims: int(0) });
}

/** Most channels a processor's convolutions take together. */
const blockChannels = 16;

/**
 * Gradient of the image: the transposed convolution. With stride 1 that is also a convolution by the kernel turned
 * around, which unrolls the filters where ConvTranspose unrolls the channels: 1.1 to 1.4 times as fast unless there are
 * many more filters than channels, then slower; where a runtime computes it on blocks of channels it is faster also then.
 */
function imageGradient(g: GraphBuilder, dy: Value, weights: Value, window: Window, groups: number): Value {
	const [filters, channels] = weights.shape as readonly [number, number];
	if (isBetterAsProduct(filters * channels, window, groups)) return imageGradientByProduct(g, dy, weights, window);
	const isFaster = 2 * filters < 3 * channels || (filters % blockChannels === 0 && channels % blockChannels === 0);
	const turned = groups === 1 && isFaster ? turnedWindow(window) : undefined;
	if (turned !== undefined) return g.add("Conv", [dy, turnKernel(g, weights)], convolutionAttributes(turned, 1));
	const transposed = (attributes: Attributes) => g.add("ConvTranspose", [dy, weights], attributes);
	if (!isFasterWhole(window)) {
		const outputPadding = window.image.map((extent, i) => {
			const covered = reach(window.kernel[i] as number, window.dilations[i] as number);
			const pads = (window.padsBegin[i] as number) + (window.padsEnd[i] as number);
			// Pixels at the end that no window reached.
			return extent - (((window.places[i] as number) - 1) * (window.strides[i] as number) + covered - pads);
		});
		return transposed({ ...convolutionAttributes(window, groups), output_padding: ints(outputPadding) });
	}
	const none = window.image.map(() => 0);
	const whole = transposed(convolutionAttributes({ ...window, padsBegin: none, padsEnd: none }, groups));
	const ends = window.image.map((extent, i) => extent + (window.padsBegin[i] as number));
	return g.add("Slice", [whole, g.ints(window.padsBegin), g.ints(ends), g.ints(ends.map((_, i) => i + 2))]);
}

/**
 * Whether ConvTranspose with its pads and a Slice that cuts them off take less time than without: ONNX Runtime adds up what falls on a pixel with
 * whole rows at a time where a window has no pads and no gaps, over two axes, and number by number elsewhere.
 */
function isFasterWhole({ padsBegin, padsEnd, strides, dilations }: Window): boolean {
	const hasPads = [...padsBegin, ...padsEnd].some((p) => p > 0);
	return hasPads && strides.length === 2 && [...strides, ...dilations].every((extent) => extent === 1);
}

/** The window that moves over the places of `window` and takes one place for each pixel; undefined where pads would be negative. */
function turnedWindow(window: Window): Window | undefined {
	const overhang = window.kernel.map((k, i) => reach(k, window.dilations[i] as number) - 1);
	const padsBegin = overhang.map((o, i) => o - (window.padsBegin[i] as number));
	const padsEnd = overhang.map((o, i) => o - (window.padsEnd[i] as number));
	if ([...padsBegin, ...padsEnd].some((p) => p < 0) || window.strides.some((s) => s !== 1)) return undefined;
	return { ...window, padsBegin, padsEnd, image: window.places, places: window.image };
}

/**
 * [M,C,...kernel] to [C,M,...kernel], each kernel back to front: turned around where whole rows of channels move, which takes a third of
 * the time that it takes number by number. By Gather, as ONNX Runtime would move the last Transpose in front of a Slice.
 */
function turnKernel(g: GraphBuilder, weights: Value): Value {
	const [filters, channels, ...kernel] = weights.shape as readonly [number, number, ...number[]];
	const exchange = (value: Value, perm: readonly number[]) => g.add("Transpose", [value], { perm: ints(perm) });
	if (kernel.every((extent) => extent === 1)) return exchange(weights, [1, 0, ...kernel.map((_, i) => i + 2)]);
	const places = kernel.reduce((a, b) => a * b, 1);
	const rows = exchange(g.add("Reshape", [weights, g.ints([filters, channels, places])]), [0, 2, 1]);
	const backToFront = g.ints(Array.from({ length: places }, (_, i) => places - 1 - i));
	const turned = exchange(g.add("Gather", [rows, backToFront], { axis: int(1) }), [2, 0, 1]);
	return g.add("Reshape", [turned, g.ints([channels, filters, ...kernel])]);
}

/** Attributes of the Conv or ConvTranspose that moves this window. */
export function convolutionAttributes(window: Window, groups: number): Attributes {
	return {
		kernel_shape: ints(window.kernel),
		strides: ints(window.strides),
		dilations: ints(window.dilations),
		pads: ints(padsAttribute(window)),
		group: int(groups),
	};
}
