import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";

/**
 * The values a graph takes for constants so that the gradient passes straight through the rounding of a code: copies of what
 * they are subtracted from (`quantiseCode`).
 */
export function straightThroughConstants(g: GraphBuilder): readonly Value[] {
	return g.nodes.flatMap(({ type, inputs: [from, copy] }) => {
		if (type !== "Sub" || from === undefined || copy === undefined) return [];
		const producer = g.producer(copy);
		return producer?.type === "Identity" && producer.inputs[0]?.name === from.name ? [copy] : [];
	});
}
