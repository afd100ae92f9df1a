import type { GraphBuilder } from "../graph/builder.js";
import type { Node, Value } from "../graph/graph.js";
import { sumToShape } from "./broadcast.js";
import { castTo } from "./constants.js";
import { requiredInput } from "./operator.js";

/** Backward of Max and Min: where several inputs tie, each gets an equal share, as PyTorch's maximum. */
export function extremumBackward(
	g: GraphBuilder,
	node: Node,
	[gradient]: readonly (Value | undefined)[],
	needed: readonly boolean[],
): readonly (Value | undefined)[] {
	if (gradient === undefined) return [];
	const chosen = node.inputs.map((v) => castTo(g, g.add("Equal", [v, node.outputs[0]]), gradient.dtype));
	const ties = chosen.reduce((sum, mask) => g.add("Add", [sum, mask]));
	const share = g.add("Div", [gradient, ties]);
	return chosen.map((mask, i) =>
		needed[i] ? sumToShape(g, g.add("Mul", [mask, share]), requiredInput(node, i)) : undefined,
	);
}
