import type { GradientClipping } from "@psgl/sdk/artifact";
import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";

/** Keeps the factor finite where the gradient is zero; PyTorch's clip_grad_norm_ adds the same. */
const tiny = 1e-6;

/** A gradient in pieces with the Euclidean norm of all, or each of its values, brought to at most the limit. */
export function clipGradients(
	g: GraphBuilder,
	gradients: readonly Value[],
	{ kind, limit }: GradientClipping,
): readonly Value[] {
	if (kind === "value")
		return gradients.map((gradient) => g.add("Clip", [gradient, g.scalar(-limit), g.scalar(limit)]));
	const squares = gradients
		.map((gradient) => {
			const axes = g.ints(gradient.shape.map((_, axis) => axis));
			return g.add("ReduceSum", [g.add("Mul", [gradient, gradient]), axes], { keepdims: int(0) });
		})
		.reduce((sum, part) => g.add("Add", [sum, part]));
	const norm = g.add("Add", [g.add("Sqrt", [squares]), g.scalar(tiny)]);
	const factor = g.add("Min", [g.add("Div", [g.scalar(limit), norm]), g.scalar(1)]);
	return gradients.map((gradient) => g.add("Mul", [gradient, factor]));
}
