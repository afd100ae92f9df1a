import type { Node, Value } from "../graph/graph.js";
import type { ForeignModel } from "./foreign-model.js";

/** A batch normalisation whose result is only pooled, rectified or not. */
export interface PooledNormalisation {
	readonly normalisation: Node;
	readonly relu: Node | undefined;
	readonly pool: Node;
}

/** Those among `nodes`, where no other node or output reads what lies between the normalisation and the maximum. */
export function pooledNormalisations(
	{ nodes: all, logits, constants }: ForeignModel,
	nodes: readonly Node[],
): readonly PooledNormalisation[] {
	const producers = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output?.name, node] as const)));
	const readers = new Map<string, number>([[logits.name, 1]]);
	for (const input of all.flatMap((node) => node.inputs)) {
		if (input !== undefined) readers.set(input.name, (readers.get(input.name) ?? 0) + 1);
	}
	const onlyRead = (value: Value | undefined) =>
		value && readers.get(value.name) === 1 ? producers.get(value.name) : undefined;
	return nodes.flatMap((pool) => {
		if (pool.type !== "MaxPool" || pool.outputs.length !== 1) return [];
		const before = onlyRead(pool.inputs[0]);
		const relu = before?.type === "Relu" ? before : undefined;
		const normalisation = relu === undefined ? before : onlyRead(relu.inputs[0]);
		if (normalisation?.type !== "BatchNormalization") return [];
		const hasStatistics = normalisation.inputs.slice(3).every((value) => value && constants.has(value.name));
		if (!hasStatistics || normalisation.outputs.length !== 1) return [];
		return [{ normalisation, relu, pool }];
	});
}
