import type { GraphBuilder } from "./builder.js";
import type { Graph, Node, Value } from "./graph.js";

/** A body that captures values from outside. */
export interface Capturing {
	/** Its last inputs stand for what is captured. */
	readonly body: Graph;
	/** What is captured, in the graph around the body. */
	readonly captured: readonly Value[];
}

/**
 * Takes what a body computes of captured values and constants alone out of it: `g` computes that once instead of in every
 * step, and the body captures the results.
 */
export function hoistInvariants(g: GraphBuilder, { body, captured }: Capturing): Capturing {
	const own = body.inputs.slice(0, body.inputs.length - captured.length);
	const outside = new Map(body.inputs.slice(own.length).map((input, i) => [input.name, captured[i] as Value]));
	const inside = new Map(body.inputs.slice(own.length).map((input) => [input.name, input]));
	const results = new Set(body.outputs.map(({ name }) => name));
	const isInvariant = ({ inputs, outputs }: Node) =>
		inputs.some((v) => v !== undefined && outside.has(v.name)) &&
		inputs.every((v) => v === undefined || outside.has(v.name) || body.initializers.has(v.name)) &&
		!outputs.some((v) => v !== undefined && results.has(v.name));
	const operand = (value: Value | undefined): Value | undefined => {
		if (value === undefined) return undefined;
		const constant = body.initializers.get(value.name);
		return constant === undefined ? outside.get(value.name) : g.constant(constant);
	};
	const nodes: Node[] = [];
	for (const node of body.nodes) {
		if (!isInvariant(node)) {
			nodes.push(node);
			continue;
		}
		const added = g.addLike(node, node.inputs.map(operand));
		node.outputs.forEach((output, i) => {
			if (output === undefined) return;
			outside.set(output.name, added[i] as Value);
			inside.set(output.name, output);
		});
	}
	const read = new Set(nodes.flatMap((node) => node.inputs.map((value) => value?.name)));
	const names = [...outside.keys()].filter((name) => read.has(name));
	return {
		body: {
			...body,
			inputs: [...own, ...names.map((name) => inside.get(name) as Value)],
			nodes,
			initializers: new Map([...body.initializers].filter(([name]) => read.has(name) || results.has(name))),
		},
		captured: names.map((name) => outside.get(name) as Value),
	};
}
