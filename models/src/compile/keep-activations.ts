import type { Graph, Node, Value } from "../graph/graph.js";

/** A training graph in two, of which the second needs what the first computed. */
export interface KeptActivations {
	/** From the batch to `smashed`; its other outputs, `activation.0` and on, are what the second needs. */
	readonly forward: Graph;
	/** From these, `smashed` and the gradient to all other outputs of the whole graph. */
	readonly backward: Graph;
}

/**
 * Cuts a training graph between the nodes that lead to its output `smashed` and the rest. Of what the former compute, the
 * values that depend on the batch are handed over; those of the weights alone (pieces of vectors) are computed again.
 *
 * @param batch inputs that belong to the batch
 */
export function keepActivations(graph: Graph, batch: ReadonlySet<string>): KeptActivations {
	const isSmashed = ({ name }: Value) => name === "smashed";
	const [smashed, results] = [graph.outputs.filter(isSmashed), graph.outputs.filter((value) => !isSmashed(value))];
	const early = behind(graph, smashed);
	const computed = ofBatch(early, batch);
	const late = behind(graph, results, computed);
	const kept = new Map<string, Value>();
	for (const value of [...late.flatMap(({ inputs }) => inputs), ...results]) {
		if (value !== undefined && computed.has(value.name) && !isSmashed(value)) kept.set(value.name, value);
	}
	const names = new Map([...kept.keys()].map((name, i) => [name, `activation.${i}`]));
	const rename = <T extends Value | undefined>(value: T): T =>
		value === undefined ? value : { ...value, name: names.get(value.name) ?? value.name };
	const part = (nodes: readonly Node[], inputs: readonly Value[], outputs: readonly Value[]): Graph => {
		const read = new Set([...nodes.flatMap((node) => node.inputs), ...outputs].map((value) => value?.name));
		return {
			...graph,
			inputs: inputs.filter(({ name }) => read.has(name)).map(rename),
			outputs: outputs.map(rename),
			initializers: new Map([...graph.initializers].filter(([name]) => read.has(name))),
			nodes: nodes.map((node) => ({ ...node, inputs: node.inputs.map(rename), outputs: node.outputs.map(rename) })),
		};
	};
	return {
		forward: part(early, graph.inputs, [...smashed, ...kept.values()]),
		backward: part(late, [...graph.inputs, ...smashed, ...kept.values()], results),
	};
}

/** The nodes that lead to these values, in order, without those behind what is `given`. */
function behind(graph: Graph, values: readonly Value[], given: ReadonlySet<string> = new Set()): readonly Node[] {
	const needed = new Set(values.map(({ name }) => name));
	const nodes: Node[] = [];
	for (const node of graph.nodes.toReversed()) {
		const isNeeded = node.outputs.some(
			(value) => value !== undefined && needed.has(value.name) && !given.has(value.name),
		);
		if (!isNeeded) continue;
		for (const input of node.inputs) if (input !== undefined) needed.add(input.name);
		nodes.push(node);
	}
	return nodes.reverse();
}

/** Names of what the nodes compute from the batch. */
function ofBatch(nodes: readonly Node[], batch: ReadonlySet<string>): ReadonlySet<string> {
	const names = new Set<string>();
	for (const { inputs, outputs } of nodes) {
		if (!inputs.some((value) => value !== undefined && (batch.has(value.name) || names.has(value.name)))) continue;
		for (const output of outputs) if (output !== undefined) names.add(output.name);
	}
	return names;
}
