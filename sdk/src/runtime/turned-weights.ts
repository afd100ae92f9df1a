import type { GraphNode } from "./graph-nodes.js";

/** Weights [M,C,...kernel] that a graph makes from others [C,M,...kernel] by exchanging the axes and turning each kernel around. */
export interface TurnedWeights {
	/** The others with M last, [C,places,M]. */
	readonly rows: string;
	/** First outputs of the nodes that turn these. */
	readonly nodes: readonly string[];
}

/** Follows the nodes that conv.ts of `@psgl/models` makes for the gradient of an image; undefined for other weights. */
export function turnedWeightsAt(
	weights: string,
	[filters, channels, ...kernel]: readonly number[],
	producers: ReadonlyMap<string, GraphNode>,
	constants: ReadonlyMap<string, readonly number[]>,
): TurnedWeights | undefined {
	const behind = (node: GraphNode | undefined) => producers.get(node?.inputs[0] ?? "");
	const extentsOf = (node: GraphNode | undefined) =>
		node?.type === "Reshape" ? constants.get(node.inputs[1] ?? "")?.join() : undefined;
	const shaped = producers.get(weights);
	const exchanged = behind(shaped);
	const turned = behind(exchanged);
	const last = behind(turned);
	const places = kernel.reduce((a, b) => a * b, 1);
	const isShaped = extentsOf(shaped) === [filters, channels, ...kernel].join();
	const isOfOthers = extentsOf(behind(last)) === [channels, filters, places].join();
	const isExchanged = isTransposed(exchanged, "2,0,1") && isTransposed(last, "0,2,1");
	const isGathered = turned?.type === "Gather" && turned.attributes.get("axis")?.join() === "1";
	const order = constants.get(turned?.inputs[1] ?? "");
	const isTurned = order?.length === places && order.every((place, i) => place === places - 1 - i);
	if (!isShaped || !isOfOthers || !isExchanged || !isGathered || !isTurned) return undefined;
	const rows = turned.inputs[0] as string;
	return { rows, nodes: [shaped, exchanged, turned].flatMap((node) => node?.outputs[0] ?? []) };
}

const isTransposed = (node: GraphNode | undefined, perm: string) =>
	node?.type === "Transpose" && node.attributes.get("perm")?.join() === perm;
