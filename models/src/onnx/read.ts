import { GraphBuilder } from "../graph/builder.js";
import type { Graph } from "../graph/graph.js";
import { importModel } from "./import-model.js";

/**
 * The graph of an ONNX file (opset 11 to 21) as psgl's own, in psgl's opset: same inputs, outputs and initialisers.
 * Throws what `importModel` throws.
 */
export function decodeModel(bytes: Uint8Array, name = "model"): Graph {
	const g = new GraphBuilder(name);
	const outputs = importModel(g, bytes, {
		input: (input, dtype, shape) => g.input(input, dtype, shape),
		initializer: (initializer, value) => g.constant(value, initializer),
	});
	for (const [output, value] of outputs) g.output(output, value);
	return g.build();
}
