import { numberAttribute } from "../graph/attribute.js";
import { GraphBuilder } from "../graph/builder.js";
import type { Graph, Node, Value } from "../graph/graph.js";
import { inlineGraph } from "../graph/inline-graph.js";
import { convolutionByProduct, isBetterAsProduct } from "../operators/convolution-product.js";
import { windowOver } from "../operators/window.js";

/**
 * The graph with the convolutions that have few places as one matrix product over the batch. For graphs that run on whole
 * batches: a sample alone gains nothing. Done when all is differentiated, as the rules for Conv find the better form of each gradient.
 */
export function batchProducts(graph: Graph): Graph {
	const g = new GraphBuilder(graph.name);
	const inputs = graph.inputs.map(({ name, dtype, shape }) => g.input(name, dtype, shape));
	const values = inlineGraph(g, graph, inputs, asProduct);
	graph.outputs.forEach(({ name }, i) => void g.output(name, values[i] as Value));
	return g.build();
}

function asProduct(g: GraphBuilder, node: Node, operands: readonly (Value | undefined)[]): Value | undefined {
	const [x, weights, bias] = operands;
	if (node.type !== "Conv" || x === undefined || weights === undefined) return undefined;
	const window = windowOver(node, x.shape.slice(2) as readonly number[], weights.shape.slice(2) as readonly number[]);
	const planes = (x.shape[1] as number) * (weights.shape[0] as number);
	const groups = numberAttribute(node.attributes, "group", 1);
	return isBetterAsProduct(planes, window, groups) ? convolutionByProduct(g, x, weights, bias, window) : undefined;
}
