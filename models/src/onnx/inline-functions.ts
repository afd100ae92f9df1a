import { LimitError } from "@psgl/sdk";
import { onnxLimits } from "./limits.js";
import type { AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto } from "./schema.js";
import { nodeName } from "./sort-nodes.js";

/**
 * The graph of a model with its own functions (FunctionProto of ONNX IR version 8, as exporters based on TorchDynamo write them) put in the place of
 * the nodes that call them. Values and nodes of a function get the calling node's name in front.
 *
 * @throws LimitError `PSGL_ONNX_FUNCTIONS` when functions call each other in a circle or too deep, or the graph becomes too large
 */
export function inlineFunctions(model: ModelProto): GraphProto {
	const graph = model.graph ?? {};
	const { functions = [] } = model;
	return functions.length === 0 ? graph : new Inliner(functions, graph).graph(graph, undefined, 0);
}

/** Names and attributes of one call. */
interface Call {
	readonly rename: (name: string) => string;
	readonly attributes: ReadonlyMap<string, AttributeProto>;
	/** The calling node's name, in front of those of the function. */
	readonly path: string;
}

class Inliner {
	readonly #functions: ReadonlyMap<string, FunctionProto>;
	readonly #taken: Set<string>;
	#nodes = 0;

	constructor(functions: readonly FunctionProto[], graph: GraphProto) {
		this.#functions = new Map(functions.map((own) => [keyOf(own.domain, own.name, own.overload), own]));
		this.#taken = new Set(namesIn(graph));
	}

	/** @param call undefined: a graph of the model itself, whose names stay */
	graph(graph: GraphProto, call: Call | undefined, depth: number): GraphProto {
		const node = (graph.node ?? []).flatMap((own) => this.#node(own, call, depth));
		if (call === undefined) return { ...graph, node };
		const named = <T extends { name?: string }>(values: readonly T[] | undefined) =>
			(values ?? []).map((value) => ({ ...value, name: call.rename(value.name ?? "") }));
		const { input, output, initializer } = graph;
		return { ...graph, node, input: named(input), output: named(output), initializer: named(initializer) };
	}

	#node(proto: NodeProto, call: Call | undefined, depth: number): readonly NodeProto[] {
		this.#nodes += 1;
		if (this.#nodes > onnxLimits.maxInlinedNodes) {
			throw tooMuch(`more than ${onnxLimits.maxInlinedNodes} nodes with functions written out`, proto);
		}
		const attribute = (proto.attribute ?? []).flatMap((own) => {
			if (own.refAttrName) {
				const value = call?.attributes.get(own.refAttrName);
				// An attribute the call leaves away is one this node leaves away.
				return value === undefined ? [] : { ...value, name: own.name };
			}
			return own.g ? { ...own, g: this.graph(own.g, call, depth) } : own;
		});
		const node: NodeProto = { ...(call === undefined ? proto : renamed(proto, call)), attribute };
		const target = this.#functions.get(keyOf(node.domain, node.opType, node.overload));
		if (target === undefined) return [node];
		if (depth === onnxLimits.maxFunctionDepth) {
			throw tooMuch(`functions that call functions ${depth} deep, or in a circle`, proto);
		}
		return this.#written(node, target, depth + 1);
	}

	/** The nodes of a function in the place of a node that calls it. */
	#written(node: NodeProto, target: FunctionProto, depth: number): readonly NodeProto[] {
		const path = nodeName(node);
		const names = new Map<string, string>();
		const rename = (name: string) => {
			if (name === "") return "";
			const known = names.get(name) ?? this.#fresh(`${path}/${name}`);
			names.set(name, known);
			return known;
		};
		(target.input ?? []).forEach((name, i) => {
			names.set(name, node.input?.[i] ?? "");
		});
		const passed: NodeProto[] = [];
		(target.output ?? []).forEach((name, i) => {
			const actual = node.output?.[i] ?? "";
			if (actual === "") return;
			// An input handed on, or one result under two names.
			const known = names.get(name);
			if (known === undefined) names.set(name, actual);
			else passed.push({ opType: "Identity", name: actual, input: [known], output: [actual] });
		});
		const given = [...(target.attributeProto ?? []), ...(node.attribute ?? [])];
		const call: Call = { path, rename, attributes: new Map(given.map((own) => [own.name, own])) };
		return [...(target.node ?? []).flatMap((own) => this.#node(own, call, depth)), ...passed];
	}

	#fresh(wanted: string): string {
		let name = wanted;
		for (let n = 2; this.#taken.has(name); n++) name = `${wanted}_${n}`;
		this.#taken.add(name);
		return name;
	}
}

function renamed(node: NodeProto, { rename, path }: Call): NodeProto {
	const name = `${path}/${nodeName(node)}`;
	return { ...node, name, input: (node.input ?? []).map(rename), output: (node.output ?? []).map(rename) };
}

/** A function by what names it (onnx.proto, FunctionProto). */
function keyOf(domain = "", name = "", overload = ""): string {
	return JSON.stringify([domain === "ai.onnx" ? "" : domain, name, overload]);
}

function namesIn({ node = [], input = [], initializer = [] }: GraphProto): readonly string[] {
	const inner = node.flatMap(({ attribute = [] }) => attribute.flatMap(({ g }) => (g ? namesIn(g) : [])));
	const outputs = node.flatMap(({ output = [] }) => output);
	return [...inner, ...outputs, ...input.map(({ name }) => name), ...initializer.map(({ name = "" }) => name)];
}

function tooMuch(got: string, node: NodeProto): LimitError {
	return new LimitError("PSGL_ONNX_FUNCTIONS", {
		what: `functions that the model brings along cannot be written out at node ${nodeName(node)}`,
		got,
		expected: `at most ${onnxLimits.maxInlinedNodes} nodes, functions at most ${onnxLimits.maxFunctionDepth} deep`,
		remedy:
			"Export the model again without functions of its own, or write them out with onnx.inliner.inline_local_functions",
	});
}
