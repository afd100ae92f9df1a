import { type Tensor, tensorBytes } from "@psgl/sdk";
import type { Attribute } from "../graph/attribute.js";
import { type Graph, type Node, opset, type Value } from "../graph/graph.js";
import { dataType } from "./data-type.js";
import {
	type AttributeProto,
	attributeType,
	encodeModelProto,
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
		graph: {
			name: graph.name,
			node: graph.nodes.map(nodeProto),
			initializer: [...graph.initializers].map(([name, value]) => ({ ...tensorProto(value), name })),
			input: graph.inputs.map(valueInfo),
			output: graph.outputs.map(valueInfo),
		},
	});
}

function nodeProto(node: Node): NodeProto {
	return {
		name: node.name,
		opType: node.type,
		input: node.inputs.map((v) => v?.name ?? ""),
		output: node.outputs.map((v) => v?.name ?? ""),
		attribute: Object.entries(node.attributes).map(([name, attribute]) => attributeProto(name, attribute)),
	};
}

function attributeProto(name: string, attribute: Attribute): AttributeProto {
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
