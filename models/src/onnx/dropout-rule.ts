import { ArtifactError } from "@psgl/sdk";
import { numberAttribute } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { allKept, type Dropped, dropout } from "../layers/dropout.js";
import { requiredInput } from "../operators/operator.js";
import type { ReadNode } from "./normalise-opset.js";

/** A dropout of a file: `ratio` of the elements are dropped, `name` tells it apart from others. */
export interface FileDropout {
	readonly ratio: number;
	readonly name: string;
}

/**
 * What a Dropout in training mode does: nothing (`off`), drop by masks drawn from a seed, an int64 [], or what a
 * function makes of it.
 */
export type DropoutTreatment = "off" | Value | ((x: Value, dropout: FileDropout) => Dropped);

/**
 * Dropout outside training passes its input on, in training mode it is treated as asked for. Its `seed` attribute takes
 * the place of its name.
 * @throws ArtifactError `PSGL_ONNX_DROPOUT` in training mode where nothing is asked for
 */
export function readDropout(
	g: GraphBuilder,
	node: ReadNode,
	treatment: DropoutTreatment | undefined,
): readonly Value[] {
	const x = requiredInput(node, 0);
	// What cannot be read may be true.
	const training = node.inputs[2] === undefined ? 0 : Number(g.constantOf(node.inputs[2])?.data[0] ?? 1);
	if (training === 0 || treatment === "off") {
		return node.outputCount === 1 ? [x] : [x, allKept(g, x)];
	}
	const ratio = node.inputs[1] === undefined ? 0.5 : Number(g.constantOf(node.inputs[1])?.data[0] ?? Number.NaN);
	// Exporters leave layers that drop nothing in training mode.
	if (ratio === 0) return node.outputCount === 1 ? [x] : [x, allKept(g, x)];
	if (treatment === undefined || !(ratio >= 0 && ratio < 1)) {
		throw new ArtifactError("PSGL_ONNX_DROPOUT", {
			what: `node ${node.name} (Dropout) is in training mode`,
			got: `a ratio of ${ratio}, ${treatment === undefined ? "no seed" : "a seed"}`,
			expected: "a seed, and a constant ratio from 0 up to but not including 1",
			remedy: "Export the model in evaluation mode, or without dropout, or give a seed",
		});
	}
	const seed = numberAttribute(node.attributes, "seed", Number.NaN);
	const name = Number.isNaN(seed) ? node.name : `seed ${seed}`;
	const { y, kept } =
		typeof treatment === "function" ? treatment(x, { ratio, name }) : dropout(g, x, { ratio, seed: treatment, name });
	return [y, kept];
}
