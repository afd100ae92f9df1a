import { ints } from "../graph/attribute.js";
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
	const operands = [x, weight];
	if (bias) operands.push(scope.parameter("bias", [outputs], { kind: "uniform", bound }));
	return g.add("Conv", operands, {
		kernel_shape: ints(kernelShape),
		strides: ints(new Array(spatial).fill(stride)),
		pads: ints(new Array(2 * spatial).fill(padding)),
	});
}
