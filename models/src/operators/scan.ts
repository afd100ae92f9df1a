import { differentiate, type Seed } from "../autodiff/differentiate.js";
import { int, intsAttribute, numberAttribute } from "../graph/attribute.js";
import { GraphBuilder } from "../graph/builder.js";
import type { Graph, Node, Value } from "../graph/graph.js";
import { inlineGraph } from "../graph/inline-graph.js";
import { addScan, type ScanParts } from "./add-scan.js";
import { zerosLike } from "./constants.js";
import { type Operator, shapeMismatch } from "./operator.js";

/**
 * Scan along the first axis. The backward pass is a Scan the other way: each step computes the body again from the state
 * in front of it, takes the gradients of the state back, and adds up those of what is captured. States that the results
 * do not hold are found by another Scan first. Both are Scans themselves, so derivatives can be differentiated again.
 */
export const scan: Operator = {
	type: "Scan",
	limits: "along the first axis, all sequences in one direction",
	infer(context) {
		const parts = scanParts(context);
		const [length] = parts.sequences[0]?.shape ?? [];
		if (length === undefined || parts.sequences.some(({ shape }) => shape[0] !== length)) {
			throw shapeMismatch(context, "sequences of one length");
		}
		const b = new GraphBuilder(parts.body.name);
		const outputs = inlineGraph(b, parts.body, bodyInputs(b, parts).all);
		return outputs.map(({ dtype, shape }, i) => {
			if (i >= parts.states.length) return { dtype, shape: [length, ...shape] };
			const before = parts.states[i] as Value;
			if (before.shape.join() !== shape.join() || before.dtype !== dtype) {
				throw shapeMismatch(context, `a next state ${i} like the state, not ${dtype} [${shape.join(",")}]`);
			}
			return before;
		});
	},
	backward(g, node, gradients, needed) {
		const parts = scanParts(node);
		const { states, sequences, captured, reverse } = parts;
		const b = new GraphBuilder(`${parts.body.name} backward`);
		const inputs = bodyInputs(b, parts);
		const outputs = inlineGraph(b, parts.body, inputs.all);
		/** Gradients that come in: of the states, carried, and of the results, in slices. */
		const carried = states.map((state, i) =>
			isReal(state) ? b.input(`state gradient ${i}`, state.dtype, state.shape) : undefined,
		);
		const arriving = outputs.map((output, i) =>
			i >= states.length && gradients[i] !== undefined
				? b.input(`result gradient ${i}`, output.dtype, output.shape)
				: undefined,
		);
		const seeds: Seed[] = outputs.flatMap((value, i) => {
			const gradient = i < states.length ? carried[i] : arriving[i];
			return gradient === undefined ? [] : [{ value, gradient }];
		});
		const wanted = inputs.all.map((value, i) => isReal(value) && (i < states.length || needed[i] === true));
		const wrt = inputs.all.filter((_, i) => wanted[i]);
		const found = differentiate(b, seeds, wrt);
		const gradientOf = (value: Value) => found[wrt.indexOf(value)];
		const ofCaptured = inputs.captured.flatMap((value, k) => {
			const gradient = gradientOf(value);
			return gradient === undefined ? [] : [{ k, value, gradient, factors: factorsOf(b, gradient) }];
		});
		/** Gradients of weights are sums of products over the steps: one product of all steps' rows, made behind the Scan. */
		const products = ofCaptured.flatMap(({ k, factors }) => (factors === undefined ? [] : [{ k, factors }]));
		const taken = ofCaptured.flatMap(({ k, value, gradient, factors }) =>
			factors === undefined ? [{ k, gradient, sum: b.input(`sum ${k}`, value.dtype, value.shape) }] : [],
		);
		const sliced = inputs.slices.flatMap((value, m) => {
			const gradient = gradientOf(value);
			return gradient === undefined ? [] : [{ m, gradient }];
		});
		const real = states.flatMap((_, i) => (carried[i] === undefined ? [] : [i]));
		const nextCarried = real.map((i) => {
			const before = inputs.states[i] as Value;
			return gradientOf(before) ?? zerosLike(b, before);
		});
		const results = [
			...nextCarried,
			...taken.map(({ sum, gradient }) => b.add("Add", [sum, gradient])),
			...sliced.map(({ gradient }) => gradient),
			...products.flatMap(({ factors }) => factors),
		];
		const whole = b.subgraph([], results);
		const read = new Set(whole.nodes.flatMap((n) => n.inputs.map((value) => value?.name)));
		const isRead = (value: Value | undefined) => value !== undefined && read.has(value.name);
		const before = inputs.states.flatMap((value, i) => (isRead(value) ? [i] : []));
		const own = inputs.slices.flatMap((value, m) => (isRead(value) ? [m] : []));
		const given = arriving.flatMap((value, i) => (isRead(value) ? [i] : []));
		const held = inputs.captured.flatMap((value, k) => (isRead(value) ? [k] : []));
		const bodyValues = [
			...real.map((i) => carried[i] as Value),
			...taken.map(({ sum }) => sum),
			...before.map((i) => inputs.states[i] as Value),
			...own.map((m) => inputs.slices[m] as Value),
			...given.map((i) => arriving[i] as Value),
			...held.map((k) => inputs.captured[k] as Value),
		];
		const added = addScan(g, {
			body: b.subgraph(bodyValues, results),
			states: [
				...real.map((i) => gradients[i] ?? zerosLike(g, states[i] as Value)),
				...taken.map(({ k }) => zerosLike(g, captured[k] as Value)),
			],
			sequences: [
				...statesBefore(g, node, parts, before),
				...own.map((m) => sequences[m] as Value),
				...given.map((i) => gradients[i] as Value),
			],
			captured: held.map((k) => captured[k] as Value),
			reverse: !reverse,
		});
		const result: (Value | undefined)[] = node.inputs.map(() => undefined);
		real.forEach((i, at) => {
			result[i] = added[at];
		});
		taken.forEach(({ k }, at) => {
			result[states.length + sequences.length + k] = added[real.length + at];
		});
		sliced.forEach(({ m }, at) => {
			result[states.length + m] = added[real.length + taken.length + at];
		});
		const rows = added.slice(real.length + taken.length + sliced.length).map((factor) => {
			const columns = factor.shape.at(-1) as number;
			return g.add("Reshape", [factor, g.ints([-1, columns])]);
		});
		products.forEach(({ k }, at) => {
			const factors = rows.slice(2 * at, 2 * at + 2);
			result[states.length + sequences.length + k] = g.add("Gemm", factors, { transA: int(1) });
		});
		return result;
	},
};

/** Matrices a and b whose product `a' b` a value is, where it is one. */
function factorsOf(b: GraphBuilder, value: Value): readonly Value[] | undefined {
	const node = b.producer(value);
	if (node?.type !== "Gemm" || node.inputs[2] !== undefined) return undefined;
	const { attributes, inputs } = node;
	const plain = numberAttribute(attributes, "transB", 0) === 0 && numberAttribute(attributes, "alpha", 1) === 1;
	const known = inputs.every((factor) => factor === undefined || typeof factor.shape[1] === "number");
	return plain && known && numberAttribute(attributes, "transA", 0) === 1 ? (inputs as readonly Value[]) : undefined;
}

const isReal = ({ dtype }: Value) => dtype === "float32";

/** What a Scan node is made of. */
export function scanParts(node: Pick<Node, "inputs" | "attributes">): ScanParts {
	const { body, scan_input_directions } = node.attributes;
	if (body?.type !== "graph") throw new Error("a Scan without a body");
	const inputs = node.inputs as readonly Value[];
	const outside = inputs.length - body.captured;
	const first = outside - numberAttribute(node.attributes, "num_scan_inputs", 0);
	return {
		body: body.value,
		states: inputs.slice(0, first),
		sequences: inputs.slice(first, outside),
		captured: inputs.slice(outside),
		reverse: scan_input_directions !== undefined && intsAttribute(node.attributes, "scan_input_directions")?.[0] === 1,
	};
}

/** Inputs of a body in `b`, of the types that one step of the Scan has. */
function bodyInputs(b: GraphBuilder, { states, sequences, captured }: ScanParts) {
	const own = {
		states: states.map(({ dtype, shape }, i) => b.input(`state ${i}`, dtype, shape)),
		slices: sequences.map(({ dtype, shape }, m) => b.input(`slice ${m}`, dtype, shape.slice(1))),
		captured: captured.map(({ dtype, shape }, k) => b.input(`captured ${k}`, dtype, shape)),
	};
	return { ...own, all: [...own.states, ...own.slices, ...own.captured] };
}

/** The states called `wanted` in front of each step, [L,...] each. */
function statesBefore(g: GraphBuilder, node: Node, parts: ScanParts, wanted: readonly number[]): readonly Value[] {
	const after = statesAfter(g, node, parts, wanted);
	return wanted.map((i, at) => {
		const first = g.add("Unsqueeze", [parts.states[i] as Value, g.ints([0])]);
		const [from, to] = parts.reverse ? [1, Number.MAX_SAFE_INTEGER] : [0, -1];
		const others = g.add("Slice", [after[at], g.ints([from]), g.ints([to]), g.ints([0])]);
		return g.add("Concat", parts.reverse ? [others, first] : [first, others], { axis: int(0) });
	});
}

/** The states called `wanted` after each step, [L,...] each: results that are the same, or what another Scan finds. */
function statesAfter(g: GraphBuilder, node: Node, parts: ScanParts, wanted: readonly number[]): readonly Value[] {
	const { body, states } = parts;
	const place = wanted.map((i) => {
		const source = sourceOf(body, body.outputs[i] as Value);
		return body.outputs.findIndex((output, j) => j >= states.length && sourceOf(body, output) === source);
	});
	if (!place.includes(-1)) return place.map((j) => node.outputs[j] as Value);
	const b = new GraphBuilder(`${body.name} states`);
	const inputs = bodyInputs(b, parts).all;
	const outputs = inlineGraph(b, body, inputs).slice(0, states.length);
	const saving = b.subgraph(inputs, [...outputs, ...wanted.map((i) => outputs[i] as Value)]);
	return addScan(g, { ...parts, body: saving }).slice(states.length);
}

/** Name of the value behind an output that merely gives it another name. */
function sourceOf(body: Graph, output: Value): string {
	const producer = body.nodes.find((n) => n.outputs.some((o) => o?.name === output.name));
	const [source] = producer?.inputs ?? [];
	return producer?.type === "Identity" && source !== undefined ? sourceOf(body, source) : output.name;
}
