import { int, ints } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";

/**
 * Feature fusion of smashed data S and recovered data R, both [B,C,H,W] or [B,C,L]: U = conv(concat(S, R)) + S
 * (Khowaja et al. 2023). The convolution keeps the size.
 * @param weight [C,2C,3,3] or [C,2C,3], any odd kernel.
 * @param bias [C].
 */
export function convSumFusion(g: GraphBuilder, smashed: Value, recovered: Value, weight: Value, bias: Value): Value {
	const kernel = weight.shape.slice(2) as readonly number[];
	const padding = kernel.map((extent) => extent >> 1);
	const joined = g.add("Concat", [smashed, recovered], { axis: int(1) });
	const mixed = g.add("Conv", [joined, weight, bias], {
		kernel_shape: ints(kernel),
		strides: ints(kernel.map(() => 1)),
		pads: ints([...padding, ...padding]),
	});
	return g.add("Add", [mixed, smashed]);
}
