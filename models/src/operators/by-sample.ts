import { GraphBuilder } from "../graph/builder.js";
import type { Graph, Value } from "../graph/graph.js";
import { addScan } from "./add-scan.js";

/** What is computed of one sample: from values [1,...], one for each of those of the batch, to values of any shape. */
export type OfSample = (g: GraphBuilder, values: readonly Value[]) => readonly Value[];

/**
 * Computes sample by sample of [B,...] what needs no other sample, all steps of one before the next: what they hand on stays in the
 * processor's cache, where values of a whole batch do not (docs/performance.md).
 * @returns the results of all samples, [B,...] each
 */
export function bySample(g: GraphBuilder, values: readonly Value[], build: OfSample): readonly Value[] {
	const sequences = values.map((value) => g.add("Unsqueeze", [value, g.ints([1])]));
	return addScan(g, { body: bodyOf(values, build), states: [], sequences, captured: [], reverse: false });
}

/** Whether values are known to have as many samples as each other, which they are not where another input gives one's number. */
export const areOfOneBatch = (values: readonly Value[]) =>
	values.every(({ shape }) => shape[0] === values[0]?.shape[0]);

function bodyOf(values: readonly Value[], build: OfSample): Graph {
	const g = new GraphBuilder("sample");
	const inputs = values.map(({ dtype, shape }, i) => g.input(`value ${i}`, dtype, [1, ...shape.slice(1)]));
	return g.subgraph(inputs, build(g, inputs));
}
