import { ArtifactError, type Tensor, tensor } from "@psgl/sdk";
import { type Attributes, int } from "../graph/attribute.js";
import { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { addScan } from "../operators/add-scan.js";
import { isDiscrete } from "../operators/elementwise.js";
import { hasOperator } from "../operators/registry.js";
import { constantTensor } from "./constant-tensor.js";
import { DeclaredTypes } from "./declared-types.js";
import { foldIntegers, foldShape } from "./fold-shapes.js";
import { hasHalfWeights, widened, widenedAttributes, widenedType } from "./half-precision.js";
import type { ImportBindings } from "./import-bindings.js";
import { dataDependent, duplicate, dynamicShape, undefinedValue } from "./import-errors.js";
import { inlineFunctions } from "./inline-functions.js";
import { innerBindings, scanSettings } from "./inner-graphs.js";
import { KnownShapes } from "./known-shapes.js";
import { normaliseNode, type ReadNode } from "./normalise-opset.js";
import { inputType, opsetOf, parseModel } from "./parse-model.js";
import { readAttributes } from "./read-attributes.js";
import { tensorFromProto } from "./read-tensor.js";
import type { NodeProto, TensorProto } from "./schema.js";
import { nodeName, reads, sortNodes } from "./sort-nodes.js";

/**
 * Adds the graph of an ONNX file to `g`, brought to psgl's opset, with its own functions written out and shape computations folded away. Nodes keep their
 * names where those are free; nodes in an order in which they cannot run are sorted. Where the weights are float16, all
 * of the model is read as float32.
 *
 * @returns the file's outputs by name
 * @throws ArtifactError `PSGL_ONNX_TRUNCATED`, `PSGL_ONNX_NOT_ONNX`, `PSGL_ONNX_OPSET`, `PSGL_ONNX_CORRUPT`,
 * `PSGL_ONNX_DTYPE`, `PSGL_ONNX_EXTERNAL_DATA`, `PSGL_ONNX_SPARSE`, `PSGL_ONNX_DUPLICATE`, `PSGL_ONNX_CYCLE`,
 * `PSGL_ONNX_CONTROL_FLOW`, `PSGL_ONNX_DYNAMIC_SHAPE`, `PSGL_ONNX_DROPOUT`, `PSGL_OPERATOR_UNKNOWN`
 * @throws LimitError `PSGL_ONNX_TENSOR_TOO_LARGE`, `PSGL_ONNX_FUNCTIONS`
 * @throws ShapeError when the shapes in the file do not fit together
 */
export function importModel(g: GraphBuilder, bytes: Uint8Array, bindings: ImportBindings): Map<string, Value> {
	const model = parseModel(bytes);
	const graph = inlineFunctions(model);
	const widen = hasHalfWeights(graph);
	const declared = new DeclaredTypes(graph);
	const importer = new Importer(g, opsetOf(model), bindings, widen, declared);
	if (widen) bindings.note?.("float16 weights and inputs are read as float32");
	const given = new Set<string>();
	for (const proto of graph.initializer ?? []) {
		const name = proto.name ?? "";
		if (given.has(name)) throw duplicate(name);
		given.add(name);
		importer.initializer(name, proto);
	}
	for (const info of graph.input ?? []) {
		// Older files list initialisers among the inputs.
		if (importer.has(info.name)) continue;
		given.add(info.name);
		const { dtype, shape } = inputType(info);
		const input = bindings.input(info.name, widen ? widenedType(dtype) : dtype, shape);
		declared.bind(shape, input.shape);
		importer.define(info.name, input);
	}
	for (const node of sortNodes(graph.node ?? [], given)) importer.node(node);
	return new Map((graph.output ?? []).map(({ name }) => [name, importer.value(name, "an output of the model")]));
}

/** Values of the largest integer constant that shape computations are looked for in. */
const largestFolded = 4096;
/** Numbers of the longest constant of factors: one for each axis. */
const mostFactors = 16;

/** Brings nodes into the graph one after another. */
class Importer {
	readonly #g: GraphBuilder;
	readonly #opset: number;
	readonly #bindings: ImportBindings;
	readonly #widen: boolean;
	readonly #values = new Map<string, Value>();
	readonly #integers: KnownShapes;
	readonly #declared: DeclaredTypes;

	constructor(g: GraphBuilder, opset: number, bindings: ImportBindings, widen: boolean, declared: DeclaredTypes) {
		this.#integers = new KnownShapes(g);
		this.#declared = declared;
		this.#g = g;
		this.#opset = opset;
		this.#bindings = bindings;
		this.#widen = widen;
	}

	has(name: string): boolean {
		return this.#values.has(name);
	}

	define(name: string, value: Value): void {
		this.#values.set(name, value);
		this.#bindings.named?.(name, value);
		const constant = this.#g.constantOf(value);
		const isInteger = constant?.dtype === "int64" || constant?.dtype === "int32" || constant?.dtype === "bool";
		if (constant !== undefined && isInteger && constant.data.length <= largestFolded) {
			this.#integers.set(name, { dims: constant.dims, values: Array.from(constant.data as ArrayLike<bigint>, Number) });
		}
	}

	initializer(name: string, proto: TensorProto): void {
		const tensor = tensorFromProto(proto, name, this.#bindings.external);
		this.define(name, this.#bindings.initializer(name, this.#widen ? widened(tensor) : tensor));
	}

	/** The value called `name` in the file. */
	value(name: string, reader: string): Value {
		const known = this.#values.get(name);
		if (known !== undefined) return known;
		const integers = this.#integers.get(name);
		if (integers?.values.every((v) => typeof v === "number")) {
			if (integers.isFloat) return this.#g.floats(integers.values, integers.dims);
			return this.#g.constant(tensor("int64", integers.dims, BigInt64Array.from(integers.values, BigInt)));
		}
		throw integers === undefined ? undefinedValue(name, reader) : dynamicShape(name, reader, integers);
	}

	node(proto: NodeProto): void {
		const name = nodeName(proto);
		const outputs = proto.output ?? [];
		if (proto.domain !== undefined && proto.domain !== "" && proto.domain !== "ai.onnx") {
			throw new ArtifactError("PSGL_OPERATOR_UNKNOWN", {
				what: `node ${name} uses an operator that is not part of ONNX`,
				got: `${proto.domain}.${proto.opType}`,
				remedy: "Export the model with standard operators only",
			});
		}
		if (proto.opType === "If") {
			this.#branch(proto);
			return;
		}
		if (proto.opType === "Scan") {
			this.#scan(proto);
			return;
		}
		if (proto.opType === "Loop") throw dataDependent(proto);
		const written = readAttributes(proto.attribute ?? []);
		const attributes = this.#widen ? widenedAttributes(written) : written;
		if (this.#fold(proto, attributes)) return;
		const inputs = (proto.input ?? []).map((input, i) => {
			if (input === "") return undefined;
			const reader = `node ${name} (${proto.opType})`;
			if (!this.#integers.isOpenTarget(proto, input, i)) return this.value(input, reader);
			return this.#integers.target(proto, input, this.value(proto.input?.[0] ?? "", reader).shape);
		});
		const read = { type: proto.opType, name, inputs, outputCount: outputs.length, attributes };
		if (proto.opType === "BatchNormalization" && this.#bindings.outsideTraining === true) {
			read.outputCount = 1;
			read.attributes = { ...attributes, training_mode: int(0) };
		}
		const node = normaliseNode(this.#g, read, this.#opset, this.#bindings.dropout);
		const results = "type" in node ? this.#add(node, outputs) : node;
		outputs.forEach((output, i) => {
			if (output !== "" && results[i] !== undefined) this.define(output, results[i]);
		});
	}

	/** Adds a node; one psgl has no rules for with the types the file declares for its outputs, if it does. */
	#add({ type, inputs, outputCount, attributes, name }: ReadNode, outputs: readonly string[]): readonly Value[] {
		const types = hasOperator(type) ? [] : outputs.map((output) => this.#declared.of(output));
		if (types.length > 0 && types.every((t) => t !== undefined)) {
			return this.#g.addDeclared({ type, name, attributes, declared: types }, inputs);
		}
		return this.#g.addMany(type, inputs, outputCount, attributes, name);
	}

	/** The branch of an If whose condition is known, in the place of the node. */
	#branch(proto: NodeProto): void {
		const condition = this.#integers.get(proto.input?.[0] ?? "")?.values[0];
		if (typeof condition !== "number") throw dataDependent(proto);
		const wanted = condition === 0 ? "else_branch" : "then_branch";
		const branch = proto.attribute?.find(({ name }) => name === wanted)?.g ?? {};
		const given = new Set<string>();
		for (const initializer of branch.initializer ?? []) {
			const name = initializer.name ?? "";
			if (this.has(name)) throw duplicate(name);
			given.add(name);
			this.initializer(name, initializer);
		}
		for (const node of sortNodes(branch.node ?? [], given)) this.node(node);
		(proto.output ?? []).forEach((output, i) => {
			const name = branch.output?.[i]?.name ?? "";
			const integers = this.#integers.get(name);
			if (integers !== undefined) this.#integers.set(output, integers);
			if (integers === undefined || this.has(name))
				this.define(output, this.value(name, `node ${nodeName(proto)} (If)`));
		});
	}

	/** A Scan with its body read by an importer of its own. */
	#scan(proto: NodeProto): void {
		const { body, count, reverse } = scanSettings(proto);
		const reader = `node ${nodeName(proto)} (Scan)`;
		const inputs = (proto.input ?? []).map((name) => this.value(name, reader));
		const sequences = inputs.slice(inputs.length - count);
		const states = inputs.slice(0, inputs.length - count);
		const b = new GraphBuilder(body.name ?? "body");
		const inner = new Importer(b, this.#opset, innerBindings(b, this.#bindings), this.#widen, new DeclaredTypes({}));
		const own = (body.input ?? []).map(({ name }, i) => {
			const { dtype, shape } = inputs[i] ?? { dtype: "float32", shape: [] };
			const value = b.input(name, dtype, i < states.length ? shape : shape.slice(1));
			inner.define(name, value);
			return value;
		});
		for (const initializer of body.initializer ?? []) inner.initializer(initializer.name ?? "", initializer);
		const captured: Value[] = [];
		const captures: Value[] = [];
		for (const name of new Set((body.node ?? []).flatMap(reads))) {
			if (name === "" || inner.has(name) || !(this.has(name) || this.#integers.has(name))) continue;
			const outside = this.value(name, reader);
			const constant = this.#g.constantOf(outside);
			if (constant !== undefined && isDiscrete(outside)) {
				inner.define(name, b.constant(constant));
				continue;
			}
			captured.push(outside);
			captures.push(b.input(name, outside.dtype, outside.shape));
			inner.define(name, captures.at(-1) as Value);
		}
		for (const node of sortNodes(body.node ?? [], [])) inner.node(node);
		const outputs = (body.output ?? []).map(({ name }) => inner.value(name, reader));
		const graph = b.subgraph([...own, ...captures], outputs);
		const results = addScan(this.#g, { body: graph, states, sequences, captured, reverse });
		(proto.output ?? []).forEach((output, i) => {
			if (output !== "" && results[i] !== undefined) this.define(output, results[i]);
		});
	}

	/** Computes what can be computed now: constants, and the integers shapes are made of. */
	#fold(proto: NodeProto, attributes: Attributes): boolean {
		const [output = ""] = proto.output ?? [];
		const inputs = proto.input ?? [];
		if (proto.opType === "Constant") {
			const constant = constantTensor(attributes, output);
			this.define(output, this.#g.constant(constant));
			// Factors sizes are multiplied with; weights stand in initialisers.
			if (constant.dtype === "float32" && constant.data.length <= mostFactors) {
				this.#integers.set(output, {
					dims: constant.dims,
					values: [...(constant.data as Float32Array)],
					isFloat: true,
				});
			}
			return true;
		}
		if (proto.opType === "Identity" && this.#values.has(inputs[0] ?? "")) {
			const value = this.#values.get(inputs[0] ?? "") as Value;
			this.define(output, this.#bindings.alias?.(output, value) ?? value);
			return true;
		}
		const value = this.#values.get(inputs[0] ?? "");
		const measured = value?.shape ?? this.#integers.get(inputs[0] ?? "")?.dims;
		if (proto.opType === "Shape" && measured !== undefined) {
			if (value !== undefined) this.#integers.measure(value);
			this.#integers.set(output, foldShape(measured, attributes));
			return true;
		}
		if (proto.opType === "ConstantOfShape" && this.#filled(proto, attributes)) return true;
		const known = inputs.map((input) => this.#integers.get(input));
		if (known.length === 0 || known.some((k, i) => k === undefined && inputs[i] !== "")) return false;
		const folded = foldIntegers(proto.opType, known, attributes);
		if (folded === undefined) return false;
		this.#integers.set(output, folded);
		return true;
	}

	/** ConstantOfShape of what is no known vector of integers: its value, expanded. */
	#filled(proto: NodeProto, attributes: Attributes): boolean {
		const [name = ""] = proto.input ?? [];
		const target = this.#integers.get(name);
		const { value } = attributes;
		const fill: Tensor = value?.type === "tensor" ? value.value : tensor("float32", [1], Float32Array.of(0));
		const isKnown = target?.values.every((v) => typeof v === "number");
		if (target === undefined || (isKnown && isDiscrete({ dtype: fill.dtype, shape: [] }))) return false;
		const expanded = this.#g.add("Expand", [this.#g.constant(fill), this.#integers.extents(name, proto, target)]);
		this.define(proto.output?.[0] ?? "", expanded);
		return true;
	}
}
