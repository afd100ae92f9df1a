import { importModel, type Value } from "@psgl/models";
import { type FileAttribute, onnxFile } from "./onnx-file.js";
import type { BuildOperator } from "./operator-gradients.js";

export interface ImportedNode {
	readonly attributes?: Readonly<Record<string, FileAttribute>>;
	/** Outputs the node has in the file. Default 1. */
	readonly outputs?: number;
	/** Which of them is the result. Default the first. */
	readonly result?: number;
	/** Initialisers of the file, by name. */
	readonly floats?: Readonly<Record<string, readonly number[]>>;
}

/** Builds the operator under test by reading a file of one node. `operands` are names of inputs or initialisers, "" for none. */
export const importedOperator =
	(
		type: string,
		opset: number,
		operands: readonly string[],
		{ attributes = {}, outputs = 1, result = 0, floats = {} }: ImportedNode = {},
	): BuildOperator =>
	(g, inputs) => {
		const names = Array.from({ length: outputs }, (_, i) => `y${i}`);
		const file = onnxFile({
			opset,
			inputs: Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, shape])),
			outputs: [names[result] as string],
			nodes: [{ type, inputs: operands, outputs: names, attributes }],
			floats,
		});
		const bindings = {
			input: (name: string) => inputs[name] as Value,
			initializer: (name: string, value: Parameters<typeof g.constant>[0]) => g.constant(value, name),
		};
		return importModel(g, file, bindings).get(names[result] as string) as Value;
	};
