import { elementCount } from "@psgl/sdk";
import type { Manifest } from "@psgl/sdk/artifact";
import type { GraphBuilder } from "../graph/builder.js";
import type { Graph, Node, Value } from "../graph/graph.js";
import { operandsOf } from "../graph/inline-graph.js";

/** A flat vector a graph takes as an input, and the tensors in it. */
export interface FlatWeights {
	/** Name of the graph's input. */
	readonly input: string;
	/** Stands before the names of the tensors. */
	readonly prefix: string;
	readonly entries: Manifest["client"]["params"];
	readonly values: Float32Array;
}

export interface CopyOptions {
	/** Values that stand for inputs of the graph, or for what it computes. */
	readonly given: ReadonlyMap<string, Value>;
	/** Flat inputs that become a constant for each tensor. */
	readonly weights: readonly FlatWeights[];
	/** A value of the graph that is zero everywhere, of the shape of another. */
	readonly zero?: { readonly value: string; readonly like: Value };
}

/**
 * Adds the nodes of a graph to `g`, weights as constants of their own shapes and names.
 * @returns values of `g` by the names they have in the graph
 */
export function copyGraph(g: GraphBuilder, graph: Graph, options: CopyOptions): ReadonlyMap<string, Value> {
	const known = new Map(options.given);
	const operand = operandsOf(g, graph, known);
	/** Constants that already have the shape the graph is about to give them. */
	const shaped = new Map<string, readonly number[]>();
	const flats = new Map(options.weights.map((weights) => [weights.input, weights]));
	const { zero } = options;
	for (const { input, prefix, entries, values } of options.weights) {
		if (entries.length === 1) define(input, prefix, entries[0] as FlatWeights["entries"][number], values);
		else if (entries.length === 0) known.set(input, g.floats(values));
	}
	if (zero !== undefined) known.set(zero.value, g.add("Mul", [zero.like, g.scalar(0)]));
	for (const node of graph.nodes) {
		const [first, second] = node.inputs;
		const flat = first && flats.get(first.name);
		const [output] = node.outputs as [Value];
		if (output.name === zero?.value || options.given.has(output.name)) continue;
		if (node.type === "Split" && flat !== undefined && flat.entries.length > 1) {
			node.outputs.forEach((part, i) => {
				const entry = flat.entries[i];
				if (part !== undefined && entry !== undefined) define(part.name, flat.prefix, entry, flat.values);
			});
		} else if (node.type === "Reshape" && first !== undefined && hasShape(node, first, second)) {
			known.set(output.name, known.get(first.name) as Value);
		} else if (node.type === "Add" && second !== undefined && second.name === zero?.value) {
			known.set(output.name, operand(first as Value));
		} else {
			const added = g.addLike(
				node,
				node.inputs.map((value) => value && operand(value)),
			);
			node.outputs.forEach((value, i) => {
				if (value !== undefined) known.set(value.name, added[i] as Value);
			});
		}
	}
	return known;

	function define(name: string, prefix: string, entry: FlatWeights["entries"][number], values: Float32Array): void {
		const data = values.slice(entry.offset, entry.offset + elementCount(entry.shape));
		known.set(name, g.constant({ dtype: "float32", dims: entry.shape, data }, `${prefix}.${entry.name}`));
		shaped.set(name, entry.shape);
	}

	function hasShape({ attributes }: Node, data: Value, target: Value | undefined): boolean {
		const shape = shaped.get(data.name);
		const wanted = target && graph.initializers.get(target.name);
		if (shape === undefined || wanted === undefined || attributes.allowzero !== undefined) return false;
		return shape.join() === Array.from(wanted.data as BigInt64Array, Number).join();
	}
}
