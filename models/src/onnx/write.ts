import { dataType, type Tensor, tensorBytes } from "@psgl/sdk";
import type { Attribute } from "../graph/attribute.js";
import { type Graph, type Node, opset, type Value } from "../graph/graph.js";
import {
	type AttributeProto,
	attributeType,
	encodeModelProto,
	type GraphProto,
	type NodeProto,
	type TensorProto,
	type ValueInfoProto,
} from "./schema.js";

/** ONNX IR version that opset 18 came with (ONNX 1.13). */
const irVersion = 8;

/** The graph as an ONNX file. The same graph gives the same bytes. */
export function encodeModel(graph: Graph): Uint8Array {
	return encodeModelProto({
		irVersion,
		producerName: "psgl",
		opsetImport: [{ domain: "", version: opset }],
		graph: graphProto(graph),
	});
}

/** Names of values and nodes as they are in the file. */
type Rename = (name: string) => string;

function graphProto(graph: Graph): GraphProto {
	return {
		name: graph.name,
		node: graph.nodes.map((node) => nodeProto(node)),
		initializer: [...graph.initializers].map(([name, value]) => ({ ...tensorProto(value), name })),
		input: graph.inputs.map(valueInfo),
		output: graph.outputs.map(valueInfo),
		...declaredInfo(graph),
	};
}

/**
 * Types that no rule of psgl's tells who reads the file again, and those of images of convolutions and maxima, and of weights, by
 * which a runtime without such rules chooses how to compute them.
 */
function declaredInfo({ nodes, inputs, outputs, initializers }: Graph): Pick<GraphProto, "valueInfo"> {
	const said = new Set([...inputs, ...outputs].map(({ name }) => name));
	for (const name of initializers.keys()) said.add(name);
	const declared = nodes.flatMap((node) => {
		if (node.type === "Conv") return node.inputs.slice(0, 2);
		if (node.type === "MaxPool") return node.inputs;
		return node.declared === undefined ? [] : node.outputs;
	});
	const valueInfos = declared.flatMap((value) => {
		if (value === undefined || said.has(value.name)) return [];
		said.add(value.name);
		return [valueInfo(value)];
	});
	return valueInfos.length === 0 ? {} : { valueInfo: valueInfos };
}

function nodeProto(node: Node, rename: Rename = (name) => name): NodeProto {
	const name = rename(node.name);
	const inputs = node.inputs.map((v) => (v === undefined ? "" : rename(v.name)));
	const { body } = node.attributes;
	const own = inputs.length - (body?.type === "graph" ? body.captured : 0);
	return {
		name,
		opType: node.type,
		input: inputs.slice(0, own),
		output: node.outputs.map((v) => (v === undefined ? "" : rename(v.name))),
		attribute: Object.entries(node.attributes).map(([key, attribute]) =>
			attribute.type === "graph"
				? {
						name: key,
						type: attributeType.graph,
						g: bodyProto(attribute.value, name, inputs.slice(own)),
					}
				: attributeProto(key, attribute),
		),
	};
}

/**
 * A graph inside a node. Values from outside are read by their names there; its own names are put behind the node's, as
 * names in a file must differ. Shapes are left to those who run it.
 */
function bodyProto(graph: Graph, node: string, outside: readonly string[]): GraphProto {
	const own = graph.inputs.slice(0, graph.inputs.length - outside.length);
	const captured = new Map(graph.inputs.slice(own.length).map(({ name }, i) => [name, outside[i] as string]));
	const rename: Rename = (name) => captured.get(name) ?? `${node}/${name}`;
	const info = ({ name, dtype }: Value): ValueInfoProto => ({
		name: rename(name),
		type: { tensorType: { elemType: dataType[dtype] } },
	});
	return {
		name: graph.name,
		node: graph.nodes.map((inner) => nodeProto(inner, rename)),
		initializer: [...graph.initializers].map(([name, value]) => ({ ...tensorProto(value), name: rename(name) })),
		input: own.map(info),
		output: graph.outputs.map(info),
	};
}

function attributeProto(name: string, attribute: Exclude<Attribute, { type: "graph" }>): AttributeProto {
	const encoder = new TextEncoder();
	const type = attributeType[attribute.type];
	switch (attribute.type) {
		case "int":
			return { name, type, i: attribute.value };
		case "float":
			return { name, type, f: attribute.value };
		case "string":
			return { name, type, s: encoder.encode(attribute.value) };
		case "tensor":
			return { name, type, t: tensorProto(attribute.value) };
		case "ints":
			return { name, type, ints: [...attribute.value] };
		case "floats":
			return { name, type, floats: [...attribute.value] };
		case "strings":
			return { name, type, strings: attribute.value.map((s) => encoder.encode(s)) };
	}
}

function tensorProto(value: Tensor): TensorProto {
	return { dims: [...value.dims], dataType: dataType[value.dtype], rawData: tensorBytes(value) };
}

function valueInfo(value: Value): ValueInfoProto {
	const dim = value.shape.map((d) => (typeof d === "number" ? { dimValue: d } : { dimParam: d }));
	return { name: value.name, type: { tensorType: { elemType: dataType[value.dtype], shape: { dim } } } };
}
