import { intsAttribute, numberAttribute } from "../graph/attribute.js";
import type { Node, Shape, Value } from "../graph/graph.js";
import { scanParts } from "../operators/scan.js";

/** What one node takes for one sample. */
export interface NodeCost {
	/** Floating-point operations, a multiply-add counted as two. */
	readonly forward: number;
	readonly backward: number;
	/** Bytes read and written going forward, each once. */
	readonly bytes: number;
}

/** Operators that only give a tensor another shape. */
export const reshaping: ReadonlySet<string> = new Set(["Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze"]);
const moving: ReadonlySet<string> = new Set([
	"Transpose",
	"Concat",
	"Split",
	"Slice",
	"Pad",
	"Expand",
	"Tile",
	"Gather",
]);
const normalising: ReadonlySet<string> = new Set([
	"BatchNormalization",
	"InstanceNormalization",
	"LayerNormalization",
	"Softmax",
	"LogSoftmax",
]);

/** Elements of a tensor for a batch of one. */
export function elementsPerSample(shape: Shape): number {
	const parts = shape.flatMap((dim) => String(dim).split("*").map(Number));
	return parts.reduce((product, part) => (Number.isNaN(part) ? product : product * part), 1);
}

const elements = (value: Value | undefined): number => (value === undefined ? 0 : elementsPerSample(value.shape));

/** Cost of a node; `trained`: whether training changes its weight, so that the backward pass computes its gradient. */
export function nodeCost(node: Node, trained: boolean): NodeCost {
	const forward = operations(node);
	const touched = [...node.inputs, ...node.outputs].reduce((sum, value) => sum + elements(value), 0);
	return {
		forward,
		// One product of the same size for the gradient of the input, one for that of the weights.
		backward: trained ? 2 * forward : forward,
		bytes: reshaping.has(node.type) ? 0 : 4 * touched,
	};
}

function operations(node: Node): number {
	const [x, weight] = node.inputs;
	const output = elements(node.outputs[0]);
	const perOutput = (shape: Shape | undefined) => elementsPerSample(shape?.slice(1) ?? []);
	switch (node.type) {
		case "Conv":
			return 2 * output * perOutput(weight?.shape);
		case "ConvTranspose":
			return 2 * elements(x) * perOutput(weight?.shape);
		case "MatMul":
			return 2 * output * Number(x?.shape.at(-1));
		case "Gemm":
			return 2 * output * Number(x?.shape[numberAttribute(node.attributes, "transA", 0) === 1 ? 0 : 1]);
		case "Scan": {
			const { body, sequences } = scanParts(node);
			return Number(sequences[0]?.shape[0]) * body.nodes.reduce((sum, inner) => sum + operations(inner), 0);
		}
		case "MaxPool":
		case "AveragePool":
			return output * elementsPerSample(intsAttribute(node.attributes, "kernel_shape") ?? []);
		case "GlobalAveragePool":
			return elements(x);
	}
	if (reshaping.has(node.type) || moving.has(node.type)) return 0;
	if (normalising.has(node.type)) return 4 * output;
	return node.type.startsWith("Reduce") ? elements(x) : output;
}
