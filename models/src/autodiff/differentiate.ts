import { ArtifactError, ShapeError } from "@psgl/sdk";
import type { GraphBuilder } from "../graph/builder.js";
import { formatShape, type Node, type Value } from "../graph/graph.js";
import { operatorFor } from "../operators/registry.js";

/** Where differentiation starts: a value and the gradient arriving at it (default: ones, for a scalar loss). */
export interface Seed {
	readonly value: Value;
	/** Same shape as `value`. */
	readonly gradient?: Value;
}

/**
 * Reverse-mode differentiation: adds to `g` the nodes that compute the gradient of the seeds with
 * respect to each of `wrt`. The result consists of standard operators with derivatives of their own,
 * so it can be differentiated again.
 *
 * `constants` are treated as constants: no gradient flows through them (stop-gradient).
 *
 * @returns one value for each of `wrt`, undefined where the seeds do not depend on it.
 * @throws ArtifactError `PSGL_OPERATOR_NO_GRADIENT` when a node on the way has no derivative.
 */
export function differentiate(
	g: GraphBuilder,
	seeds: readonly Seed[],
	wrt: readonly Value[],
	constants: readonly Value[] = [],
): readonly (Value | undefined)[] {
	const stop = new Set(constants.map((v) => v.name));
	const nodes = g.nodes.slice();
	const reached = reachedFrom(nodes, wrt, stop);
	const gradients = new Map<string, Value>();
	for (const { value, gradient } of seeds) {
		accumulate(g, gradients, value, gradient ?? onesForScalar(g, value));
	}
	for (let i = nodes.length - 1; i >= 0; i--) {
		const node = nodes[i] as Node;
		const incoming = node.outputs.map((o) => (o === undefined ? undefined : gradients.get(o.name)));
		if (incoming.every((v) => v === undefined)) continue;
		const rule = node.outputs[0] && g.gradientRule(node.outputs[0]);
		const inputs = rule?.inputs ?? node.inputs;
		const needed = inputs.map((v) => v !== undefined && reached.has(v.name) && !stop.has(v.name));
		if (!needed.includes(true)) continue;
		const outgoing = rule?.backward(incoming[0] as Value) ?? operatorBackward(g, node, incoming, needed);
		inputs.forEach((input, j) => {
			const gradient = outgoing[j];
			if (input !== undefined && gradient !== undefined && needed[j]) accumulate(g, gradients, input, gradient);
		});
	}
	return wrt.map((value) => gradients.get(value.name));
}

function operatorBackward(
	g: GraphBuilder,
	node: Node,
	incoming: readonly (Value | undefined)[],
	needed: readonly boolean[],
): readonly (Value | undefined)[] {
	const backward = node.declared === undefined ? operatorFor(node.type, node.name).backward : undefined;
	if (backward === undefined) throw withoutDerivative(node);
	return backward(g, node, incoming, needed);
}

function withoutDerivative({ name, type }: Node): ArtifactError {
	return new ArtifactError("PSGL_OPERATOR_NO_GRADIENT", {
		what: `node ${name} (${type}) has no derivative`,
		got: name,
		expected: "an operator of docs/operators.md on the way from a loss to what is trained",
		remedy: "Cut the model after this node and train nothing in front of it, or replace it",
	});
}

/** Names of all values that depend on one of `wrt`. */
function reachedFrom(nodes: readonly Node[], wrt: readonly Value[], stop: ReadonlySet<string>): Set<string> {
	const reached = new Set(wrt.map((v) => v.name));
	for (const node of nodes) {
		if (!node.inputs.some((v) => v !== undefined && reached.has(v.name) && !stop.has(v.name))) continue;
		for (const output of node.outputs) if (output !== undefined) reached.add(output.name);
	}
	return reached;
}

function accumulate(g: GraphBuilder, gradients: Map<string, Value>, value: Value, gradient: Value): void {
	if (gradient.shape.length !== value.shape.length) {
		throw new ShapeError("PSGL_GRADIENT_SHAPE", {
			what: `the gradient of ${value.name} has another shape than the value`,
			got: formatShape(gradient.shape),
			expected: formatShape(value.shape),
		});
	}
	const known = gradients.get(value.name);
	gradients.set(value.name, known === undefined ? gradient : g.add("Add", [known, gradient]));
}

function onesForScalar(g: GraphBuilder, value: Value): Value {
	if (value.shape.length !== 0) {
		throw new ShapeError("PSGL_GRADIENT_SEED", {
			what: `the gradient arriving at ${value.name} has to be given`,
			got: formatShape(value.shape),
			expected: "a scalar where none is given",
		});
	}
	return g.scalar(1);
}
