import { type InferenceContext, requiredInput, shapeMismatch } from "./operator.js";

/** K of the indices [...,K] of a GatherND or ScatterND: how many leading axes of the data they point into. */
export function indexLength(node: InferenceContext): number {
	const length = requiredInput(node, 1).shape.at(-1);
	if (typeof length !== "number" || length > requiredInput(node, 0).shape.length) {
		throw shapeMismatch(node, "indices [...,K], K known and at most the number of axes of the data");
	}
	return length;
}
