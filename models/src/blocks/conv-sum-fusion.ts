import { elementCount } from "@psgl/sdk";
import { int, ints } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Node, Value } from "../graph/graph.js";
import { conv } from "../operators/conv.js";
import { goesStraightTo } from "./straight-through.js";

/**
 * Feature fusion of smashed data S and recovered data R, both [B,C,H,W] or [B,C,L]: U = conv(concat(S, R)) + S
 * (Khowaja et al. 2023). The convolution keeps the size; it adds S too, by a 1 in its kernel.
 * @param weight [C,2C,3,3] or [C,2C,3], any odd kernel.
 * @param bias [C].
 */
export function convSumFusion(g: GraphBuilder, smashed: Value, recovered: Value, weight: Value, bias: Value): Value {
	const [channels, , ...kernel] = weight.shape as readonly [number, number, ...number[]];
	const padding = kernel.map((extent) => extent >> 1);
	const summing = g.add("Add", [weight, addingFirst(g, channels, kernel)]);
	const attributes = {
		kernel_shape: ints(kernel),
		strides: ints(kernel.map(() => 1)),
		pads: ints([...padding, ...padding]),
	};
	const joined = g.add("Concat", [smashed, recovered], { axis: int(1) });
	const fused = g.add("Conv", [joined, summing, bias], attributes);
	if (!goesStraightTo(g, recovered, smashed)) return fused;
	// Both halves of the image's gradient arrive at the smashed data: one convolution by the sum of both halves of the kernel.
	const node = g.producer(fused) as Node;
	g.giveGradientRule(fused, {
		inputs: [smashed, summing, bias],
		backward(gradient) {
			const [, dWeight, dBias] = conv.backward?.(g, node, [gradient], [false, true, true]) ?? [];
			const halves = g.addMany("Split", [summing, g.ints([channels, channels])], 2, { axis: int(1) });
			const half = { ...node, inputs: [smashed, g.add("Add", [...halves])] };
			const [dSmashed] = conv.backward?.(g, half, [gradient], [true, false]) ?? [];
			return [dSmashed, dWeight, dBias];
		},
	});
	return fused;
}

/** The kernel [C,2C,...kernel] that copies the first C channels. */
function addingFirst(g: GraphBuilder, channels: number, kernel: readonly number[]): Value {
	const places = elementCount(kernel);
	const values = new Float32Array(channels * 2 * channels * places);
	for (let c = 0; c < channels; c++) values[(c * 2 * channels + c) * places + (places >> 1)] = 1;
	return g.floats(values, [channels, 2 * channels, ...kernel]);
}
