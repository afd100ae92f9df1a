import { ArtifactError, type DType, type Tensor } from "@psgl/sdk";
import type { Attributes } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Dim, Shape, Value } from "../graph/graph.js";
import { dtypeOf } from "./data-type.js";
import type { DropoutTreatment } from "./dropout-rule.js";
import { foldIntegers, foldShape, type KnownIntegers } from "./fold-shapes.js";
import { normaliseNode, readableOpsets } from "./normalise-opset.js";
import { readAttributes } from "./read-attributes.js";
import { tensorFromProto, unknownType } from "./read-tensor.js";
import { decodeModelProto, type GraphProto, type ModelProto, type NodeProto, type ValueInfoProto } from "./schema.js";

/** How the importing graph takes up what the file declares. */
export interface ImportBindings {
	/** The value that stands for an input of the file. */
	input(name: string, dtype: DType, shape: Shape): Value;
	/** The value that stands for an initialiser (a weight or a constant). */
	initializer(name: string, value: Tensor): Value;
	/** What Dropout nodes in training mode do. Default: they are refused. */
	readonly dropout?: DropoutTreatment;
}

/**
 * Adds the graph of an ONNX file to `g`, brought to psgl's opset, with shape computations folded away.
 *
 * @returns the file's outputs by name
 * @throws ArtifactError `PSGL_ONNX_TRUNCATED`, `PSGL_ONNX_NOT_ONNX`, `PSGL_ONNX_OPSET`, `PSGL_ONNX_CORRUPT`,
 * `PSGL_ONNX_DTYPE`, `PSGL_ONNX_EXTERNAL_DATA`, `PSGL_ONNX_DYNAMIC_SHAPE`, `PSGL_ONNX_DROPOUT`, `PSGL_OPERATOR_UNKNOWN`
 * @throws ShapeError when the shapes in the file do not fit together
 */
export function importModel(g: GraphBuilder, bytes: Uint8Array, bindings: ImportBindings): Map<string, Value> {
	const model = parse(bytes);
	const graph = model.graph as GraphProto;
	const importer = new Importer(g, opsetOf(model), bindings.dropout);
	for (const proto of graph.initializer ?? []) {
		const name = proto.name ?? "";
		importer.define(name, bindings.initializer(name, tensorFromProto(proto, name)));
	}
	for (const info of graph.input ?? []) {
		// Older files list initialisers among the inputs.
		if (importer.has(info.name)) continue;
		const { dtype, shape } = inputType(info);
		importer.define(info.name, bindings.input(info.name, dtype, shape));
	}
	for (const node of graph.node ?? []) importer.node(node);
	return new Map((graph.output ?? []).map(({ name }) => [name, importer.value(name, "an output of the model")]));
}

function parse(bytes: Uint8Array): ModelProto {
	let model: ModelProto;
	try {
		model = decodeModelProto(bytes);
	} catch (cause) {
		const truncated = cause instanceof RangeError;
		throw new ArtifactError(truncated ? "PSGL_ONNX_TRUNCATED" : "PSGL_ONNX_NOT_ONNX", {
			what: truncated ? "an ONNX file ends too early" : "a file is not ONNX",
			got: `${bytes.byteLength} bytes: ${(cause as Error).message}`,
			remedy: truncated ? "Copy or export the model again" : "Export the model with torch.onnx.export",
			cause,
		});
	}
	if (model.graph?.node === undefined || model.graph.node.length === 0 || model.opsetImport?.length === 0) {
		throw new ArtifactError("PSGL_ONNX_NOT_ONNX", {
			what: "a file is not ONNX, or holds no graph",
			got: `${bytes.byteLength} bytes`,
			remedy: "Export the model with torch.onnx.export",
		});
	}
	return model;
}

function opsetOf(model: ModelProto): number {
	const standard = model.opsetImport?.find(
		({ domain }) => domain === undefined || domain === "" || domain === "ai.onnx",
	);
	const version = Number(standard?.version ?? 0);
	if (version < readableOpsets.first || version > readableOpsets.last) {
		throw new ArtifactError("PSGL_ONNX_OPSET", {
			what: "an ONNX file uses a version of the operator set psgl does not read",
			got: `opset ${version}`,
			expected: `${readableOpsets.first} to ${readableOpsets.last}`,
			remedy: "Export with opset_version=17, or convert the file with onnx.version_converter",
		});
	}
	return version;
}

function inputType({ name, type }: ValueInfoProto): { dtype: DType; shape: Shape } {
	const { elemType = 0, shape } = type?.tensorType ?? {};
	const dtype = dtypeOf(elemType);
	if (dtype === undefined) throw unknownType(`input ${name}`, elemType);
	const dims = (shape?.dim ?? []).map((dim, i): Dim => {
		const extent = Number(dim.dimValue ?? 0);
		if (extent > 0) return extent;
		return dim.dimParam === undefined || dim.dimParam === "" ? `${name}_${i}` : dim.dimParam;
	});
	return { dtype, shape: dims };
}

/** Brings nodes into the graph one after another. */
class Importer {
	readonly #g: GraphBuilder;
	readonly #opset: number;
	readonly #dropout: DropoutTreatment | undefined;
	readonly #values = new Map<string, Value>();
	readonly #integers = new Map<string, KnownIntegers>();

	constructor(g: GraphBuilder, opset: number, dropout: DropoutTreatment | undefined) {
		this.#g = g;
		this.#opset = opset;
		this.#dropout = dropout;
	}

	has(name: string): boolean {
		return this.#values.has(name);
	}

	define(name: string, value: Value): void {
		this.#values.set(name, value);
		const constant = this.#g.constantOf(value);
		const isInteger = constant?.dtype === "int64" || constant?.dtype === "int32" || constant?.dtype === "bool";
		if (constant !== undefined && isInteger && constant.dims.length <= 1) {
			this.#integers.set(name, { dims: constant.dims, values: Array.from(constant.data as ArrayLike<bigint>, Number) });
		}
	}

	/** The value called `name` in the file. */
	value(name: string, reader: string): Value {
		const known = this.#values.get(name);
		if (known !== undefined) return known;
		const integers = this.#integers.get(name);
		if (integers?.values.every((v) => typeof v === "number")) {
			const data = BigInt64Array.from(integers.values, BigInt);
			return this.#g.constant({ dtype: "int64", dims: integers.dims, data });
		}
		throw integers === undefined ? undefinedValue(name, reader) : dynamicShape(name, reader, integers);
	}

	node(proto: NodeProto): void {
		const name = proto.name || `${proto.opType}_${proto.output?.[0] ?? ""}`;
		const outputs = proto.output ?? [];
		if (proto.domain !== undefined && proto.domain !== "" && proto.domain !== "ai.onnx") {
			throw new ArtifactError("PSGL_OPERATOR_UNKNOWN", {
				what: `node ${name} uses an operator that is not part of ONNX`,
				got: `${proto.domain}.${proto.opType}`,
				remedy: "Export the model with standard operators only",
			});
		}
		const attributes = readAttributes(proto.attribute ?? []);
		if (this.#fold(proto, attributes)) return;
		const inputs = (proto.input ?? []).map((input, i) => {
			if (input === "") return undefined;
			return this.#shapeOperand(proto, input, i) ?? this.value(input, `node ${name} (${proto.opType})`);
		});
		const read = { type: proto.opType, name, inputs, outputCount: outputs.length, attributes };
		const node = normaliseNode(this.#g, read, this.#opset, this.#dropout);
		const results =
			"type" in node ? this.#g.addMany(node.type, node.inputs, node.outputCount, node.attributes, node.name) : node;
		outputs.forEach((output, i) => {
			if (output !== "" && results[i] !== undefined) this.define(output, results[i]);
		});
	}

	/** Computes what can be computed now: constants, and the integers shapes are made of. */
	#fold(proto: NodeProto, attributes: Attributes): boolean {
		const [output = ""] = proto.output ?? [];
		const inputs = proto.input ?? [];
		if (proto.opType === "Constant") {
			this.define(output, this.#g.constant(constantTensor(attributes, output)));
			return true;
		}
		if (proto.opType === "Identity" && this.#values.has(inputs[0] ?? "")) {
			this.define(output, this.#values.get(inputs[0] ?? "") as Value);
			return true;
		}
		const measured = this.#values.get(inputs[0] ?? "")?.shape ?? this.#integers.get(inputs[0] ?? "")?.dims;
		if (proto.opType === "Shape" && measured !== undefined) {
			this.#integers.set(output, foldShape(measured, attributes));
			return true;
		}
		const known = inputs.map((input) => this.#integers.get(input));
		if (known.length === 0 || known.some((k, i) => k === undefined && inputs[i] !== "")) return false;
		const folded = foldIntegers(proto.opType, known as KnownIntegers[], attributes);
		if (folded === undefined) return false;
		this.#integers.set(output, folded);
		return true;
	}

	/** The target shape of Reshape, Expand or Resize where it has named extents: as 0, 1 or -1, which mean the same. */
	#shapeOperand(proto: NodeProto, input: string, index: number): Value | undefined {
		const target = this.#integers.get(input);
		const isTarget = index === { Reshape: 1, Expand: 1, Resize: 3 }[proto.opType];
		if (target === undefined || !isTarget || target.values.every((v) => typeof v === "number")) return undefined;
		const from = this.value(proto.input?.[0] ?? "", `node ${proto.name ?? ""}`).shape;
		if (proto.opType === "Expand") {
			const offset = target.values.length - from.length;
			const dims = target.values.map((d, i) => (typeof d === "string" && d === from[i - offset] ? 1 : d));
			if (!dims.every((d) => typeof d === "number")) throw dynamicShape(input, `node ${proto.name ?? ""}`, target);
			return this.#g.ints(dims);
		}
		const dims = target.values.map((d, i) => (typeof d === "number" ? d : d === from[i] ? 0 : -1));
		if (dims.filter((d) => d === -1).length > 1) throw dynamicShape(input, `node ${proto.name ?? ""}`, target);
		return this.#g.ints(dims);
	}
}

function constantTensor(attributes: Attributes, name: string): Tensor {
	const { value, value_float, value_floats, value_int, value_ints } = attributes;
	if (value?.type === "tensor") return value.value;
	if (value_float?.type === "float") return { dtype: "float32", dims: [], data: Float32Array.of(value_float.value) };
	if (value_int?.type === "int") return { dtype: "int64", dims: [], data: BigInt64Array.of(BigInt(value_int.value)) };
	if (value_floats?.type === "floats") {
		return { dtype: "float32", dims: [value_floats.value.length], data: Float32Array.from(value_floats.value) };
	}
	if (value_ints?.type === "ints") {
		return { dtype: "int64", dims: [value_ints.value.length], data: BigInt64Array.from(value_ints.value, BigInt) };
	}
	throw new ArtifactError("PSGL_ONNX_DTYPE", {
		what: `constant ${name} holds no tensor of numbers`,
		got: Object.keys(attributes).join(", "),
	});
}

function undefinedValue(name: string, reader: string): ArtifactError {
	return new ArtifactError("PSGL_ONNX_CORRUPT", {
		what: `${reader} reads a value nothing computes`,
		got: name,
		remedy: "Check the file with onnx.checker; its nodes have to be in an order in which they can run",
	});
}

function dynamicShape(name: string, reader: string, { values }: KnownIntegers): ArtifactError {
	return new ArtifactError("PSGL_ONNX_DYNAMIC_SHAPE", {
		what: `${reader} needs a shape that is only known when the graph runs`,
		got: `${name} = [${values.join(",")}]`,
		remedy: "Export the model with fixed sizes in all axes but the batch",
	});
}
