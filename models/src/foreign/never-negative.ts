import type { Value } from "../graph/graph.js";
import type { ForeignModel } from "./foreign-model.js";

const rectifiers: ReadonlySet<string> = new Set(["Relu", "Sigmoid", "Softmax", "Abs"]);
/** Operators that make no negative number of numbers that are not. */
const keeping: ReadonlySet<string> = new Set([
	"MaxPool",
	"AveragePool",
	"GlobalAveragePool",
	"Reshape",
	"Flatten",
	"Transpose",
	"Squeeze",
	"Unsqueeze",
	"Concat",
	"Split",
	"Slice",
	"Identity",
]);

/** Whether a value of the model can be told to hold no negative numbers. */
export function neverNegative(model: ForeignModel, value: Value): boolean {
	const node = model.nodes.find((n) => n.outputs.some((o) => o?.name === value.name));
	if (node === undefined) return false;
	if (rectifiers.has(node.type)) return true;
	const operands = node.type === "Concat" ? node.inputs : node.inputs.slice(0, 1);
	return keeping.has(node.type) && operands.every((v) => v !== undefined && neverNegative(model, v));
}
