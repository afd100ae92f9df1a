import { field, joined } from "./protobuf.js";

/** Domain of ONNX Runtime's operators on blocked tensors: [B,C/block,...spatial,block] under the shape [B,C,...spatial]. */
export const blockedDomain = "com.microsoft.nchwc";

/** Numbers of the fields of onnx.proto that are read or written before a graph is loaded (ONNX IR specification). */
export const onnx = {
	model: { irVersion: 1, graph: 7, opsetImport: 8 },
	opset: { domain: 1, version: 2 },
	graph: { node: 1, name: 2, initializer: 5, input: 11, output: 12, valueInfo: 13 },
	node: { input: 1, output: 2, name: 3, opType: 4, attribute: 5, domain: 7 },
	attribute: { name: 1, i: 3, graph: 6, ints: 8, type: 20 },
	tensor: { dims: 1, dataType: 2, name: 8, rawData: 9 },
	valueInfo: { name: 1, type: 2 },
	type: { tensor: 1 },
	tensorType: { elementType: 1, shape: 2 },
	shape: { dim: 1 },
	dim: { value: 1 },
} as const;

const attributeTypes = { int: 2, ints: 7 } as const;
const int64 = 7;

/** A node of a graph as a field of it. Attributes are whole numbers or lists of them. */
export function nodeField(
	type: string,
	inputs: readonly string[],
	output: string,
	attributes: Readonly<Record<string, number | readonly number[]>> = {},
	domain = "",
): Uint8Array {
	const { node } = onnx;
	return field(
		onnx.graph.node,
		joined([
			...inputs.map((name) => field(node.input, name)),
			field(node.output, output),
			field(node.name, output),
			field(node.opType, type),
			...Object.entries(attributes).map(([name, value]) => field(node.attribute, attribute(name, value))),
			field(node.domain, domain),
		]),
	);
}

function attribute(name: string, value: number | readonly number[]): Uint8Array {
	const { attribute: ids } = onnx;
	const isNumber = typeof value === "number";
	return joined([
		field(ids.name, name),
		...(isNumber ? [field(ids.i, value)] : value.map((one) => field(ids.ints, one))),
		field(ids.type, isNumber ? attributeTypes.int : attributeTypes.ints),
	]);
}

/** A vector of whole numbers as a constant of a graph, a field of it. */
export function intsField(name: string, values: readonly number[]): Uint8Array {
	const { tensor } = onnx;
	return field(
		onnx.graph.initializer,
		joined([
			field(tensor.dims, values.length),
			field(tensor.dataType, int64),
			field(tensor.name, name),
			field(tensor.rawData, new Uint8Array(BigInt64Array.from(values, BigInt).buffer)),
		]),
	);
}

/** The import of version 1 of a domain, a field of a model. */
export function importField(domain: string): Uint8Array {
	return field(onnx.model.opsetImport, joined([field(onnx.opset.domain, domain), field(onnx.opset.version, 1)]));
}
