import { ArtifactError } from "@psgl/sdk";
import { batchDim } from "../compile/model-definition.js";
import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import { formatShape, type Value } from "../graph/graph.js";
import { zerosLike } from "../operators/constants.js";

/** Scores of a classifier and what had to be done to find them. */
export interface ClassifierLogits {
	/** [B,K] */
	readonly logits: Value;
	readonly notes: readonly string[];
}

/** How a file gets an open batch. */
export const openBatch =
	'Export with the batch axis open: torch.onnx.export(..., dynamic_axes={"input": {0: "N"}, "output": {0: "N"}})';

/** What turns logits into probabilities; losses take the logits themselves. */
const squashing: ReadonlySet<string> = new Set(["Softmax", "Sigmoid"]);

/**
 * The logits of the file's first output. A soft-max or sigmoid at the end is left away. A single score [B,1], as binary
 * cross-entropy takes it, becomes two: itself against 0, of which soft-max and cross-entropy make the same.
 * @throws ArtifactError `PSGL_ONNX_OUTPUT` when it is not [B,K]
 */
export function classifierLogits(g: GraphBuilder, outputs: ReadonlyMap<string, Value>): ClassifierLogits {
	const notes: string[] = [];
	const [[name, output] = ["", undefined], ...others] = outputs;
	if (others.length > 0) {
		notes.push(`Of the outputs only the first, ${name}, is used; left away: ${others.map(([n]) => n).join(", ")}`);
	}
	const classes = output?.shape[1];
	const isClassifier = output?.shape.length === 2 && typeof classes === "number" && classes >= 1;
	if (output === undefined || !isClassifier || output.shape[0] !== batchDim || output.dtype !== "float32") {
		const batchLost = output?.shape.length === 2 && output.shape[0] !== batchDim;
		throw new ArtifactError("PSGL_ONNX_OUTPUT", {
			what: `output ${name} does not hold the scores of a batch`,
			got: output === undefined ? "no output" : `${output.dtype} ${formatShape(output.shape)}`,
			expected: "float32 [B,K] with a score for each class, B the samples of the input",
			remedy: batchLost ? openBatch : "Export the model so that its first output is one score for each class",
		});
	}
	const last = g.producer(output);
	let logits = output;
	if (last !== undefined && squashing.has(last.type)) {
		const labels =
			last.type === "Sigmoid" && classes > 1
				? ". Labels that apply independently of each other need the loss binary-cross-entropy"
				: "";
		notes.push(
			`${last.type} at the end is left away: training and decisions start from the scores in front of it${labels}`,
		);
		logits = last.inputs[0] as Value;
	}
	if (classes > 1) return { logits, notes };
	notes.push(
		"The model has one score: it is that of the second class, the first has 0 (as binary cross-entropy takes it)",
	);
	return { logits: g.add("Concat", [zerosLike(g, logits), logits], { axis: int(1) }), notes };
}
