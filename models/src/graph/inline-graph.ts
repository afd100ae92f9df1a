import type { GraphBuilder } from "./builder.js";
import type { Graph, Node, Value } from "./graph.js";

/** Adds other nodes than `node` that compute its one output from these operands; undefined leaves it as it is. */
export type ReplaceNode = (g: GraphBuilder, node: Node, operands: readonly (Value | undefined)[]) => Value | undefined;

/**
 * Adds the nodes of a graph to `g`, `inputs` in the place of its inputs. Shapes follow from theirs.
 * @returns a value for each output of the graph
 */
export function inlineGraph(
	g: GraphBuilder,
	graph: Graph,
	inputs: readonly Value[],
	replace?: ReplaceNode,
): readonly Value[] {
	const known = new Map(graph.inputs.map((input, i) => [input.name, inputs[i] as Value]));
	const operand = operandsOf(g, graph, known);
	for (const node of graph.nodes) {
		const operands = node.inputs.map((value) => value && operand(value));
		const replaced = replace?.(g, node, operands);
		const added = replaced ? [replaced] : g.addLike(node, operands);
		node.outputs.forEach((output, i) => {
			if (output !== undefined) known.set(output.name, added[i] as Value);
		});
	}
	return graph.outputs.map(operand);
}

/**
 * Finds for a value of `graph` the one of `g` that stands for it: a known one, or a constant, which is then known too.
 */
export function operandsOf(g: GraphBuilder, graph: Graph, known: Map<string, Value>): (value: Value) => Value {
	return (value) => {
		const found = known.get(value.name);
		if (found !== undefined) return found;
		const tensor = graph.initializers.get(value.name);
		if (tensor === undefined) throw new Error(`${value.name} is computed by no node in front of its reader`);
		const constant = g.constant(tensor);
		known.set(value.name, constant);
		return constant;
	};
}
