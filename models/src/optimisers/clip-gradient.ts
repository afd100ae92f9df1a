import type { GradientClipping } from "@psgl/sdk/artifact";
import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";

/** Keeps the factor finite where the gradient is zero; PyTorch's clip_grad_norm_ adds the same. */
const tiny = 1e-6;

/** A flat gradient [P] with its Euclidean norm, or each of its values, brought to at most the limit. */
export function clipGradient(g: GraphBuilder, gradient: Value, { kind, limit }: GradientClipping): Value {
	if (kind === "value") return g.add("Clip", [gradient, g.scalar(-limit), g.scalar(limit)]);
	const squares = g.add("ReduceSum", [g.add("Mul", [gradient, gradient]), g.ints([0])], { keepdims: int(0) });
	const norm = g.add("Add", [g.add("Sqrt", [squares]), g.scalar(tiny)]);
	return g.add("Mul", [gradient, g.add("Min", [g.add("Div", [g.scalar(limit), norm]), g.scalar(1)])]);
}
