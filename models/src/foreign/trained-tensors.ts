import { ArtifactError, type Tensor } from "@psgl/sdk";
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
 * without an axis, `Constant` nodes, running statistics, settings of nodes, masks (tensors with infinities) and weights of
 * operators without a derivative stay as they are.
 *
 * @throws ArtifactError `PSGL_ONNX_NOT_A_NUMBER` for a weight that holds NaN
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
			if (tensor?.dtype !== "float32" || tensor.dims.length === 0 || trained.has(value.name)) return;
			const weight = tensor.data as Float32Array;
			if (allFinite(weight)) trained.add(value.name);
			else if (weight.some(Number.isNaN)) throw notANumber(value.name, node);
		});
	}
	return trained;
}

/** Zero times what is finite adds up to zero, times NaN or an infinity to NaN. There may be tens of millions. */
function allFinite(values: Float32Array): boolean {
	let sum = 0;
	for (let i = 0; i < values.length; i++) sum += 0 * (values[i] as number);
	return sum === 0;
}

function notANumber(name: string, { name: node, type }: Node): ArtifactError {
	return new ArtifactError("PSGL_ONNX_NOT_A_NUMBER", {
		what: `a weight of node ${node} (${type}) holds NaN, from which training cannot start`,
		got: name,
		remedy: "Export the model from a state before its training diverged",
	});
}
