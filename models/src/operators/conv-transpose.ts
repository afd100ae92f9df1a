import { intsAttribute, numberAttribute } from "../graph/attribute.js";
import type { Node, Value } from "../graph/graph.js";
import { convolutionAttributes, kernelExtents, sumOverPlaces } from "./conv.js";
import { kernelGradient } from "./kernel-gradient.js";
import { type InferenceContext, type Operator, requiredInput, shapeMismatch } from "./operator.js";
import { reach, spatialExtents, type Window, windowAttributes } from "./window.js";

/** Transposed convolution: x [B,C,...], weights [C,M/groups,...kernel], bias [M] (ONNX ConvTranspose). */
export const convTranspose: Operator = {
	type: "ConvTranspose",
	infer(node) {
		const x = requiredInput(node, 0);
		const weights = requiredInput(node, 1);
		const bias = node.inputs[2];
		const kernel = kernelExtents(node, weights);
		const filters = (weights.shape[1] as number) * numberAttribute(node.attributes, "group", 1);
		if (x.shape.length !== weights.shape.length || x.shape[1] !== weights.shape[0]) {
			throw shapeMismatch(node, `an image with ${weights.shape[0]} channels`);
		}
		if (bias !== undefined && (bias.shape.length !== 1 || bias.shape[0] !== filters)) {
			throw shapeMismatch(node, `a bias [${filters}]`);
		}
		const { image, strides } = transposedWindow(node, spatialExtents(node, x.shape), kernel);
		const outputPadding = intsAttribute(node.attributes, "output_padding") ?? [];
		if (outputPadding.some((p, i) => p >= (strides[i] as number))) {
			throw shapeMismatch(node, "output_padding smaller than the strides");
		}
		const outputShape = intsAttribute(node.attributes, "output_shape")?.slice(-image.length);
		if (outputShape?.some((extent, i) => extent !== image[i])) {
			throw shapeMismatch(node, `an output_shape of at most [${image.join(",")}]`);
		}
		if (image.some((extent) => extent < 1)) throw shapeMismatch(node, "pads smaller than the result");
		return [{ dtype: x.dtype, shape: [x.shape[0] as number, filters, ...image] }];
	},
	backward(g, node, [gradient], needed) {
		const x = requiredInput(node, 0);
		const weights = requiredInput(node, 1);
		const dy = gradient as Value;
		const kernel = weights.shape.slice(2) as readonly number[];
		const window = transposedWindow(node, x.shape.slice(2) as readonly number[], kernel);
		const groups = numberAttribute(node.attributes, "group", 1);
		return [
			needed[0] ? g.add("Conv", [dy, weights], convolutionAttributes(window, groups)) : undefined,
			needed[1] ? kernelGradient(g, dy, x, window, groups) : undefined,
			needed[2] ? sumOverPlaces(g, dy) : undefined,
		];
	},
};

/**
 * The window that moves over the *result* of a ConvTranspose and takes one place for each pixel of its
 * input (ONNX operator specification: ConvTranspose, `output_shape` equations).
 */
function transposedWindow(node: InferenceContext | Node, places: readonly number[], kernel: readonly number[]): Window {
	const { strides, dilations, pads, autoPad } = windowAttributes(node, places.length);
	const outputPadding = intsAttribute(node.attributes, "output_padding");
	const outputShape = intsAttribute(node.attributes, "output_shape")?.slice(-places.length);
	const padsBegin: number[] = [];
	const padsEnd: number[] = [];
	const image = places.map((count, i) => {
		const stride = strides[i] as number;
		const full = (count - 1) * stride + reach(kernel[i] as number, dilations[i] as number) + (outputPadding?.[i] ?? 0);
		const sameExtent = autoPad.startsWith("SAME") ? count * stride : undefined;
		const wanted = outputShape?.[i] ?? sameExtent;
		let begin = pads[i] as number;
		let end = pads[places.length + i] as number;
		if (wanted !== undefined) {
			const total = Math.max(full - wanted, 0);
			begin = autoPad === "SAME_UPPER" ? Math.floor(total / 2) : Math.ceil(total / 2);
			end = total - begin;
		} else if (autoPad === "VALID") begin = end = 0;
		padsBegin.push(begin);
		padsEnd.push(end);
		return full - begin - end;
	});
	return { kernel, strides, dilations, padsBegin, padsEnd, image, places };
}
