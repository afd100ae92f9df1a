import type { Tensor } from "@psgl/sdk";
import type { Node } from "../graph/graph.js";

/** Operands that set what a node does rather than being weights, by operator. */
const settings: Readonly<Record<string, readonly number[]>> = {
	BatchNormalization: [3, 4],
	Clip: [1, 2],
	Pad: [1, 2, 3],
	Pow: [1],
	Resize: [1, 2, 3],
	Where: [0],
};

/**
 * Which initialisers training changes: those of float32 with at least one axis that a node takes as a weight. Numbers
 * without an axis, `Constant` nodes, running statistics, settings of nodes and weights of operators without a derivative stay
 * as they are.
 */
export function trainedTensors(
	nodes: readonly Node[],
	constants: ReadonlyMap<string, Tensor>,
	initialisers: ReadonlySet<string>,
): ReadonlySet<string> {
	const trained = new Set<string>();
	for (const node of nodes) {
		// An operator without a derivative does not tell how its weights should change.
		if (node.declared !== undefined) continue;
		node.inputs.forEach((value, i) => {
			if (value === undefined || !initialisers.has(value.name) || settings[node.type]?.includes(i)) return;
			const tensor = constants.get(value.name);
			if (tensor?.dtype === "float32" && tensor.dims.length > 0) trained.add(value.name);
		});
	}
	return trained;
}
