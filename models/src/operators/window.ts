import { ArtifactError, ShapeError } from "@psgl/sdk";
import { intsAttribute, numberAttribute, stringAttribute } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import { type Shape, staticShape, type Value } from "../graph/graph.js";
import { type InferenceContext, shapeMismatch } from "./operator.js";

/**
 * How a window moves over the spatial extents of an image [B,C,...spatial]: Conv, ConvTranspose and
 * the pooling operators share it. One number per spatial axis in each field.
 */
export interface Window {
	readonly kernel: readonly number[];
	readonly strides: readonly number[];
	readonly dilations: readonly number[];
	readonly padsBegin: readonly number[];
	readonly padsEnd: readonly number[];
	/** Spatial extents of the image the window moves over. */
	readonly image: readonly number[];
	/** Number of places the window takes. */
	readonly places: readonly number[];
}

/** Extent a dilated kernel covers. */
export const reach = (kernel: number, dilation: number) => (kernel - 1) * dilation + 1;

/** The spatial extents of an image [B,C,...spatial]. @throws ShapeError where one is not known. */
export function spatialExtents(
	context: Pick<InferenceContext, "name" | "type" | "inputs">,
	shape: Shape,
): readonly number[] {
	const extents = staticShape(shape.slice(2));
	if (extents === undefined || extents.length === 0) {
		throw shapeMismatch(context, "an image [B,C,...spatial] whose spatial extents are known");
	}
	return extents;
}

/** Strides, dilations and pads of a node, with ONNX's defaults. */
export interface WindowAttributes {
	readonly strides: readonly number[];
	readonly dilations: readonly number[];
	/** Begin pads, then end pads; empty when `autoPad` decides. */
	readonly pads: readonly number[];
	readonly autoPad: string;
}

/** @throws ArtifactError `PSGL_OPERATOR_ATTRIBUTE` for a stride of 0, say, or as many strides as there are no axes. */
export function windowAttributes(
	context: Pick<InferenceContext, "name" | "type" | "attributes">,
	axes: number,
): WindowAttributes {
	const each = (name: string, count: number, least: number, fallback: number): readonly number[] => {
		const given = intsAttribute(context.attributes, name) ?? new Array<number>(count).fill(fallback);
		if (given.length === count && given.every((value) => value >= least)) return given;
		throw new ArtifactError("PSGL_OPERATOR_ATTRIBUTE", {
			what: `node ${context.name} (${context.type}) has ${name} no window can have`,
			got: `[${given.join(",")}]`,
			expected: `${count} integers of at least ${least}`,
			remedy: "Check the file with onnx.checker, or export the model again",
		});
	};
	return {
		strides: each("strides", axes, 1, 1),
		dilations: each("dilations", axes, 1, 1),
		pads: each("pads", 2 * axes, 0, 0),
		autoPad: stringAttribute(context.attributes, "auto_pad", "NOTSET"),
	};
}

/**
 * The window of a Conv or pooling node over an image with these spatial extents (ONNX operator
 * specification: Conv, MaxPool `auto_pad` and `ceil_mode`).
 * @throws ShapeError when the window does not fit into the image.
 */
export function windowOver(
	context: Pick<InferenceContext, "name" | "type" | "attributes">,
	image: readonly number[],
	kernel: readonly number[],
): Window {
	const { strides, dilations, pads, autoPad } = windowAttributes(context, image.length);
	const ceil = numberAttribute(context.attributes, "ceil_mode", 0) === 1;
	const padsBegin: number[] = [];
	const padsEnd: number[] = [];
	const places: number[] = [];
	image.forEach((extent, i) => {
		const stride = strides[i] as number;
		const covered = reach(kernel[i] as number, dilations[i] as number);
		let begin = pads[i] as number;
		let end = pads[image.length + i] as number;
		if (autoPad === "VALID") begin = end = 0;
		else if (autoPad !== "NOTSET") {
			const total = Math.max((Math.ceil(extent / stride) - 1) * stride + covered - extent, 0);
			begin = autoPad === "SAME_UPPER" ? Math.floor(total / 2) : Math.ceil(total / 2);
			end = total - begin;
		}
		const steps = (extent + begin + end - covered) / stride;
		let count = (ceil ? Math.ceil(steps) : Math.floor(steps)) + 1;
		// A last window that starts beyond the image and its begin pad would see nothing: it is dropped.
		if (ceil && (count - 1) * stride >= extent + begin) count--;
		if (count < 1) {
			throw new ShapeError("PSGL_WINDOW_TOO_LARGE", {
				what: `the window of node ${context.name} (${context.type}) is larger than its image`,
				got: `a window of ${covered} over an extent of ${extent} with pads ${begin} and ${end}`,
				remedy: "Use larger inputs, a smaller kernel or fewer layers that halve the size",
			});
		}
		padsBegin.push(begin);
		padsEnd.push(end);
		places.push(count);
	});
	return { kernel, strides, dilations, padsBegin, padsEnd, image, places };
}

/** All offsets inside a kernel, row-major: [[0,0],[0,1],...]. */
export function kernelOffsets(kernel: readonly number[]): readonly (readonly number[])[] {
	return kernel.reduce<readonly (readonly number[])[]>(
		(offsets, extent) => offsets.flatMap((o) => Array.from({ length: extent }, (_, i) => [...o, i])),
		[[]],
	);
}

/**
 * The image as each place of the kernel sees it: for every offset, row-major, the pixels under it at
 * all places of the window, [B,C,...places]. Outside the image the pixels are `outside`.
 */
export function pixelsUnderKernel(g: GraphBuilder, image: Value, window: Window, outside = 0): readonly Value[] {
	return pixelsOfPadded(g, padForWindow(g, image, window, outside), window, 2);
}

/** The image with `outside` around it, as far as the window reaches. */
export function padForWindow(g: GraphBuilder, image: Value, window: Window, outside = 0): Value {
	return padSpatial(g, image, window.padsBegin, trailingPads(window), outside);
}

/** The same of an image [B,...spatial,C]: with the channels last a Pad copies whole rows of pixels. */
export function padChannelsLast(g: GraphBuilder, image: Value, window: Window): Value {
	const [begin, end] = [window.padsBegin, trailingPads(window)];
	if (begin.every((p) => p === 0) && end.every((p) => p === 0)) return image;
	return g.add("Pad", [image, g.ints([0, ...begin, 0, 0, ...end, 0]), g.scalar(0)]);
}

/** As `pixelsUnderKernel`, of an image that is padded already and whose spatial axes begin at `firstAxis`. */
export function pixelsOfPadded(g: GraphBuilder, padded: Value, window: Window, firstAxis: number): readonly Value[] {
	const axes = window.image.map((_, i) => i + firstAxis);
	return kernelOffsets(window.kernel).map((offset) => {
		const starts = offset.map((o, i) => o * (window.dilations[i] as number));
		const ends = starts.map((s, i) => s + ((window.places[i] as number) - 1) * (window.strides[i] as number) + 1);
		const whole = starts.every(
			(s, i) => s === 0 && ends[i] === padded.shape[axes[i] as number] && window.strides[i] === 1,
		);
		if (whole) return padded;
		return g.add("Slice", [padded, g.ints(starts), g.ints(ends), g.ints(axes), g.ints(window.strides)]);
	});
}

/** Pads after the image such that the last window fits, also where `ceil_mode` lets it hang over. */
function trailingPads(window: Window): readonly number[] {
	return window.image.map((extent, i) => {
		const covered = reach(window.kernel[i] as number, window.dilations[i] as number);
		const needed = ((window.places[i] as number) - 1) * (window.strides[i] as number) + covered;
		return Math.max(needed - extent - (window.padsBegin[i] as number), 0);
	});
}

/** Pads the spatial axes of [B,C,...spatial]; the value itself when there is nothing to pad. */
export function padSpatial(
	g: GraphBuilder,
	value: Value,
	begin: readonly number[],
	end: readonly number[],
	fill = 0,
): Value {
	if (begin.every((p) => p === 0) && end.every((p) => p === 0)) return value;
	return g.add("Pad", [value, g.ints([0, 0, ...begin, 0, 0, ...end]), g.scalar(fill)]);
}

/** `pads` attribute of a window, as Conv and ConvTranspose take it. */
export const padsAttribute = (window: Window) => [...window.padsBegin, ...window.padsEnd];
