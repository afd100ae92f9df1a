import { ArtifactError, type DType, type Tensor } from "@psgl/sdk";
import { formatShape, type Node, type Value } from "../graph/graph.js";
import { dependents } from "./split-model.js";

const otherFloats: ReadonlySet<DType> = new Set<DType>(["float16", "float64"]);

/**
 * Gradients are float32: what depends on the input or on a weight has to be, too. Integers and truth values carry no
 * gradient and may be what they are; numbers without an axis are settings, which exporters write in any type.
 *
 * @param initialisers names of the file's initialisers
 * @throws ArtifactError `PSGL_ONNX_DTYPE` naming the node that computes in another type
 */
export function checkElementTypes(
	nodes: readonly Node[],
	input: Value,
	constants: ReadonlyMap<string, Tensor>,
	initialisers: ReadonlySet<string>,
): void {
	const weights = [...initialisers].filter((name) => (constants.get(name)?.dims.length ?? 0) > 0);
	const differentiated = dependents(nodes, new Set([input.name, ...weights]));
	for (const node of nodes) {
		const other = [...node.inputs, ...node.outputs].find(
			(value) => value !== undefined && otherFloats.has(value.dtype) && differentiated.has(value.name),
		);
		if (other === undefined) continue;
		throw new ArtifactError("PSGL_ONNX_DTYPE", {
			what: `node ${node.name} (${node.type}) computes in another type than float32, which cannot be trained`,
			got: `${other.name}: ${other.dtype} ${formatShape(other.shape)}`,
			expected: "float32",
			remedy: "Call model.float() before torch.onnx.export, and leave out .double() and .half() inside the model",
		});
	}
}
