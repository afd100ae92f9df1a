import { numberAttribute } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { normaliseByBatch } from "../layers/normalise-by-batch.js";
import { requiredInput } from "../operators/operator.js";
import type { ReadNode } from "./normalise-opset.js";

/**
 * BatchNormalization in training mode, with the running statistics written out (see `normaliseByBatch`); as it is
 * outside training.
 */
export function readBatchNormalization(g: GraphBuilder, node: ReadNode): ReadNode | readonly Value[] {
	// Before opset 14 training was told by the number of outputs.
	if (numberAttribute(node.attributes, "training_mode", 0) !== 1 && node.outputCount === 1) return node;
	const [x, scale, bias, mean, variance] = [0, 1, 2, 3, 4].map((i) => requiredInput(node, i)) as [
		Value,
		Value,
		Value,
		Value,
		Value,
	];
	const momentum = numberAttribute(node.attributes, "momentum", 0.9);
	const epsilon = numberAttribute(node.attributes, "epsilon", 1e-5);
	const batch = normaliseByBatch(g, x, { scale, bias, mean, variance }, epsilon);
	const move = (running: Value, current: Value) =>
		g.add("Add", [g.add("Mul", [running, g.scalar(momentum)]), g.add("Mul", [current, g.scalar(1 - momentum)])]);
	return [batch.y, move(mean, batch.mean), move(variance, batch.variance)];
}

/** LayerNormalization with all three outputs: its backward reads the statistics instead of computing them again. */
export const readLayerNormalization = (_g: GraphBuilder, node: ReadNode): ReadNode => ({ ...node, outputCount: 3 });
