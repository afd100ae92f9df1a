import protobuf from "protobufjs/light.js";

/**
 * The part of the ONNX file format that psgl reads and writes: message and field numbers of onnx.proto
 * (ONNX IR specification). Fields left out here are skipped when a file is read.
 */
const root = protobuf.Root.fromJSON({
	nested: {
		ModelProto: {
			fields: {
				irVersion: { type: "int64", id: 1 },
				producerName: { type: "string", id: 2 },
				opsetImport: { rule: "repeated", type: "OperatorSetIdProto", id: 8 },
				graph: { type: "GraphProto", id: 7 },
				metadataProps: { rule: "repeated", type: "StringStringEntryProto", id: 14 },
				functions: { rule: "repeated", type: "FunctionProto", id: 25 },
			},
		},
		FunctionProto: {
			fields: {
				name: { type: "string", id: 1 },
				input: { rule: "repeated", type: "string", id: 4 },
				output: { rule: "repeated", type: "string", id: 5 },
				node: { rule: "repeated", type: "NodeProto", id: 7 },
				domain: { type: "string", id: 10 },
				attributeProto: { rule: "repeated", type: "AttributeProto", id: 11 },
				overload: { type: "string", id: 13 },
			},
		},
		OperatorSetIdProto: { fields: { domain: { type: "string", id: 1 }, version: { type: "int64", id: 2 } } },
		StringStringEntryProto: { fields: { key: { type: "string", id: 1 }, value: { type: "string", id: 2 } } },
		GraphProto: {
			fields: {
				node: { rule: "repeated", type: "NodeProto", id: 1 },
				name: { type: "string", id: 2 },
				initializer: { rule: "repeated", type: "TensorProto", id: 5 },
				input: { rule: "repeated", type: "ValueInfoProto", id: 11 },
				output: { rule: "repeated", type: "ValueInfoProto", id: 12 },
				valueInfo: { rule: "repeated", type: "ValueInfoProto", id: 13 },
				sparseInitializer: { rule: "repeated", type: "bytes", id: 15 },
			},
		},
		NodeProto: {
			fields: {
				input: { rule: "repeated", type: "string", id: 1 },
				output: { rule: "repeated", type: "string", id: 2 },
				name: { type: "string", id: 3 },
				opType: { type: "string", id: 4 },
				attribute: { rule: "repeated", type: "AttributeProto", id: 5 },
				domain: { type: "string", id: 7 },
				overload: { type: "string", id: 8 },
			},
		},
		AttributeProto: {
			fields: {
				name: { type: "string", id: 1 },
				f: { type: "float", id: 2 },
				i: { type: "int64", id: 3 },
				s: { type: "bytes", id: 4 },
				t: { type: "TensorProto", id: 5 },
				g: { type: "GraphProto", id: 6 },
				floats: { rule: "repeated", type: "float", id: 7 },
				ints: { rule: "repeated", type: "int64", id: 8 },
				strings: { rule: "repeated", type: "bytes", id: 9 },
				type: { type: "int32", id: 20 },
				refAttrName: { type: "string", id: 21 },
			},
		},
		TensorProto: {
			fields: {
				dims: { rule: "repeated", type: "int64", id: 1 },
				dataType: { type: "int32", id: 2 },
				floatData: { rule: "repeated", type: "float", id: 4 },
				int32Data: { rule: "repeated", type: "int32", id: 5 },
				int64Data: { rule: "repeated", type: "int64", id: 7 },
				name: { type: "string", id: 8 },
				rawData: { type: "bytes", id: 9 },
				doubleData: { rule: "repeated", type: "double", id: 10 },
				externalData: { rule: "repeated", type: "StringStringEntryProto", id: 13 },
				dataLocation: { type: "int32", id: 14 },
			},
		},
		ValueInfoProto: { fields: { name: { type: "string", id: 1 }, type: { type: "TypeProto", id: 2 } } },
		TypeProto: { fields: { tensorType: { type: "TensorTypeProto", id: 1 } } },
		TensorTypeProto: { fields: { elemType: { type: "int32", id: 1 }, shape: { type: "TensorShapeProto", id: 2 } } },
		TensorShapeProto: { fields: { dim: { rule: "repeated", type: "DimensionProto", id: 1 } } },
		DimensionProto: { fields: { dimValue: { type: "int64", id: 1 }, dimParam: { type: "string", id: 2 } } },
	},
});

/** protobuf int64 as protobufjs gives it: a Long when it has been read from a file. */
export type Int64 = number | { toNumber(): number; toString(): string };

export interface StringStringEntryProto {
	key?: string;
	value?: string;
}

export interface TensorProto {
	name?: string;
	dims?: Int64[];
	dataType?: number;
	rawData?: Uint8Array;
	floatData?: number[];
	int32Data?: number[];
	int64Data?: Int64[];
	doubleData?: number[];
	externalData?: StringStringEntryProto[];
	/** 1: the values are in another file. */
	dataLocation?: number;
}

export interface AttributeProto {
	name: string;
	type?: number;
	f?: number;
	i?: Int64;
	s?: Uint8Array;
	t?: TensorProto;
	/** A branch of If, a body of Loop or Scan. */
	g?: GraphProto;
	floats?: number[];
	ints?: Int64[];
	strings?: Uint8Array[];
	/** In a function: the attribute of the calling node that stands here. */
	refAttrName?: string;
}

export interface NodeProto {
	name?: string;
	opType: string;
	domain?: string;
	/** Which of the functions of one name. */
	overload?: string;
	input?: string[];
	output?: string[];
	attribute?: AttributeProto[];
}

/** An operator that a model brings along, made of other ones. */
export interface FunctionProto {
	name?: string;
	domain?: string;
	overload?: string;
	input?: string[];
	output?: string[];
	node?: NodeProto[];
	/** Attributes with what they are where a call leaves them away. */
	attributeProto?: AttributeProto[];
}

export interface DimensionProto {
	dimValue?: Int64;
	dimParam?: string;
}

export interface ValueInfoProto {
	name: string;
	type?: { tensorType?: { elemType?: number; shape?: { dim?: DimensionProto[] } } };
}

export interface GraphProto {
	name?: string;
	node?: NodeProto[];
	initializer?: TensorProto[];
	input?: ValueInfoProto[];
	output?: ValueInfoProto[];
	/** Types of values inside. */
	valueInfo?: ValueInfoProto[];
	/** Only whether there are any matters: they are refused. */
	sparseInitializer?: Uint8Array[];
}

export interface ModelProto {
	irVersion: Int64;
	producerName?: string;
	opsetImport?: { domain?: string; version?: Int64 }[];
	graph?: GraphProto;
	metadataProps?: StringStringEntryProto[];
	functions?: FunctionProto[];
}

const modelType = root.lookupType("ModelProto");

/** Bytes of a model, fields in the order of their declaration above: the same message gives the same bytes. */
export function encodeModelProto(model: ModelProto): Uint8Array {
	return modelType.encode(model).finish();
}

/** @throws RangeError or Error from protobufjs when the bytes are truncated or no protobuf at all. */
export function decodeModelProto(bytes: Uint8Array): ModelProto {
	return modelType.decode(bytes) as unknown as ModelProto;
}

/** AttributeProto.AttributeType. */
export const attributeType = {
	float: 1,
	int: 2,
	string: 3,
	tensor: 4,
	graph: 5,
	floats: 6,
	ints: 7,
	strings: 8,
	sparseTensor: 11,
} as const;
