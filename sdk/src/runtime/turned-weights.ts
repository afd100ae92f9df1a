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
	producers: ReadonlyMap<string, GraphNode>,
	constants: ReadonlyMap<string, readonly number[]>,
): TurnedWeights | undefined {
	const shaped = producers.get(weights);
	const exchanged = producers.get(shaped?.inputs[0] ?? "");
	const turned = producers.get(exchanged?.inputs[0] ?? "");
	const rows = turned?.inputs[0];
	const isExchanged = shaped?.type === "Reshape" && isTransposed(exchanged, "2,0,1");
	if (!isExchanged || turned?.type !== "Gather" || turned.attributes.get("axis")?.join() !== "1") return undefined;
	const order = constants.get(turned.inputs[1] ?? "");
	const isBackToFront = order?.every((place, i) => place === order.length - 1 - i) === true;
	if (rows === undefined || !isBackToFront || !isTransposed(producers.get(rows), "0,2,1")) return undefined;
	return { rows, nodes: [shaped, exchanged, turned].flatMap((node) => node?.outputs[0] ?? []) };
}

const isTransposed = (node: GraphNode | undefined, perm: string) =>
	node?.type === "Transpose" && node.attributes.get("perm")?.join() === perm;
