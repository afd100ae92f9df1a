import { ints, stringAttribute } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import type { ParameterScope } from "./parameter-scope.js";

export interface ConvolutionOptions {
	readonly outputs: number;
	readonly kernel: number;
	readonly stride?: number;
	/** Default: half the kernel, which keeps the size at stride 1. */
	readonly padding?: number;
	/** Default true; pointless in front of a batch normalisation. */
	readonly bias?: boolean;
}

/** Convolution over [B,C,L] or [B,C,H,W], started as PyTorch does: uniform within 1/sqrt(fan in). */
export function convolution(g: GraphBuilder, scope: ParameterScope, x: Value, options: ConvolutionOptions): Value {
	const { outputs, kernel, stride = 1, padding = kernel >> 1, bias = true } = options;
	const spatial = x.shape.length - 2;
	const inputs = x.shape[1] as number;
	const kernelShape: number[] = new Array(spatial).fill(kernel);
	const bound = 1 / Math.sqrt(inputs * kernel ** spatial);
	const weight = scope.parameter("weight", [outputs, inputs, ...kernelShape], { kind: "uniform", bound });
	const operands = withoutZeroChannels(g, x, weight);
	if (bias) operands.push(scope.parameter("bias", [outputs], { kind: "uniform", bound }));
	return g.add("Conv", operands, {
		kernel_shape: ints(kernelShape),
		strides: ints(new Array(spatial).fill(stride)),
		pads: ints(new Array(2 * spatial).fill(padding)),
	});
}

/**
 * The image and its weights without channels of zeros that a Pad put behind the others, that of the map where there is none: the same
 * results and gradients from less, and the Pad needs no backward.
 */
function withoutZeroChannels(g: GraphBuilder, x: Value, weight: Value): Value[] {
	const pad = g.producer(x);
	const [image, pads, ...others] = pad?.inputs ?? [];
	if (pad?.type !== "Pad" || image === undefined || pads === undefined || others.length > 0) return [x, weight];
	const channels = image.shape[1] as number;
	const behind = (x.shape[1] as number) - channels;
	const extents = Array.from(g.constantOf(pads)?.data ?? [], Number);
	const isOfChannels = behind > 0 && extents.every((extent, i) => extent === (i === x.shape.length + 1 ? behind : 0));
	if (!isOfChannels || stringAttribute(pad.attributes, "mode", "constant") !== "constant") return [x, weight];
	return [image, g.add("Slice", [weight, g.ints([0]), g.ints([channels]), g.ints([1])])];
}
