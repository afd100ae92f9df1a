import { ArtifactError, type DType, type Tensor } from "@psgl/sdk";
import type { InferenceContext, Operator } from "../operators/operator.js";
import { operatorFor } from "../operators/registry.js";
import { measuredExtents } from "../operators/shape.js";
import type { Attributes } from "./attribute.js";
import type { Graph, Node, Shape, Value, ValueType } from "./graph.js";

interface DeclaredNode {
	readonly declared: readonly ValueType[];
}

/** How the gradient of a value becomes those of the values it was made from, over all nodes between. */
export interface GradientRule {
	readonly inputs: readonly Value[];
	/** Gradients of `inputs` from that of the value. */
	readonly backward: (gradient: Value) => readonly (Value | undefined)[];
}

/** Constants up to this many elements are kept once however often they are asked for. */
const sharedConstantElements = 64;

/**
 * Builds an ONNX graph node by node, inferring every shape on the way. Nodes stay in the order in
 * which they were added, which is an order in which they can run.
 */
export class GraphBuilder {
	readonly #name: string;
	readonly #inputs: Value[] = [];
	readonly #outputs = new Map<string, Value>();
	readonly #initializers = new Map<string, Tensor>();
	readonly #shared = new Map<string, Value>();
	readonly #nodes: Node[] = [];
	readonly #producers = new Map<string, Node>();
	readonly #rules = new Map<string, GradientRule>();
	readonly #counters = new Map<string, number>();
	readonly #names = new Set<string>();

	constructor(name: string) {
		this.#name = name;
	}

	/** Nodes added so far. */
	get nodes(): readonly Node[] {
		return this.#nodes;
	}

	/** The node that computes `value`, or undefined for inputs and constants. */
	producer(value: Value): Node | undefined {
		return this.#producers.get(value.name);
	}

	/** Makes `differentiate` go from `value` to other values by a rule, instead of node by node through what lies between. */
	giveGradientRule(value: Value, rule: GradientRule): void {
		this.#rules.set(value.name, rule);
	}

	/** The rule that `value` was given, or undefined. */
	gradientRule(value: Value): GradientRule | undefined {
		return this.#rules.get(value.name);
	}

	/** Declares a graph input. */
	input(name: string, dtype: DType, shape: Shape): Value {
		const value = { name, dtype, shape };
		this.#names.add(name);
		this.#inputs.push(value);
		return value;
	}

	/** A constant. Small equal ones are shared. */
	constant(tensor: Tensor, name?: string): Value {
		const key =
			name === undefined && tensor.data.length <= sharedConstantElements
				? `${tensor.dtype}|${tensor.dims.join()}|${Array.from(tensor.data, exactly).join()}`
				: undefined;
		const known = key === undefined ? undefined : this.#shared.get(key);
		if (known !== undefined) return known;
		const value = { name: name ?? this.#unique("constant"), dtype: tensor.dtype, shape: tensor.dims };
		this.#names.add(value.name);
		this.#initializers.set(value.name, tensor);
		if (key !== undefined) this.#shared.set(key, value);
		return value;
	}

	/** A float32 constant of shape []. */
	scalar(value: number): Value {
		return this.constant({ dtype: "float32", dims: [], data: Float32Array.of(value) });
	}

	/** A float32 constant; [values.length] unless a shape is given. */
	floats(values: ArrayLike<number>, dims: readonly number[] = [values.length]): Value {
		return this.constant({ dtype: "float32", dims, data: Float32Array.from(values) });
	}

	/** An int64 constant [values.length], as axes, shapes and pads are given. */
	ints(values: readonly number[]): Value {
		return this.constant({ dtype: "int64", dims: [values.length], data: BigInt64Array.from(values.map(BigInt)) });
	}

	/** The tensor behind a constant value. */
	constantOf(value: Value): Tensor | undefined {
		return this.#initializers.get(value.name);
	}

	/** What a shape rule sees of `node`; backwards use it to read constants. */
	context(node: Node, outputCount: number = node.outputs.length): InferenceContext {
		const { name, type, inputs, attributes } = node;
		const constant = (index: number) => {
			const value = inputs[index];
			return value === undefined ? undefined : this.constantOf(value);
		};
		return {
			name,
			type,
			inputs,
			outputCount,
			attributes,
			constant,
			shape: (index) => inputs[index] && this.#knownExtents(inputs[index]),
		};
	}

	/** The extents a value holds: the integers of a constant, those a Shape node measures, several of both put together. */
	#knownExtents(value: Value): Shape | undefined {
		const known = this.constantOf(value);
		if (known !== undefined) return Array.from(known.data as ArrayLike<number | bigint>, Number);
		const producer = this.producer(value);
		const operands = producer?.inputs.filter((input) => input !== undefined) ?? [];
		if (producer?.type === "Shape" && operands[0] !== undefined) {
			return measuredExtents(operands[0].shape, producer.attributes);
		}
		if (producer?.type === "Squeeze" && operands[0] !== undefined) return this.#knownExtents(operands[0]);
		if (producer?.type !== "Concat") return undefined;
		const parts = operands.map((operand) => this.#knownExtents(operand));
		return parts.every((extents) => extents !== undefined) ? parts.flat() : undefined;
	}

	/**
	 * Adds a node with one output and returns that.
	 * @throws ShapeError when the operator cannot take these shapes; ArtifactError `PSGL_OPERATOR_UNKNOWN`.
	 */
	add(type: string, inputs: readonly (Value | undefined)[], attributes: Attributes = {}): Value {
		return this.addMany(type, inputs, 1, attributes)[0] as Value;
	}

	/** Adds a node with `outputCount` outputs. A `name` that is taken gets a number. */
	addMany(
		type: string,
		inputs: readonly (Value | undefined)[],
		outputCount: number,
		attributes: Attributes = {},
		wantedName: string = type,
	): readonly Value[] {
		const name = wantedName === type || this.#names.has(wantedName) ? this.#unique(wantedName) : wantedName;
		this.#names.add(name);
		const operator: Operator = operatorFor(type, name);
		const context = this.context({ type, name, inputs, outputs: [], attributes }, outputCount);
		const types = operator.infer(context);
		return this.#push({ type, name, inputs, attributes }, types.slice(0, outputCount));
	}

	/** Adds a node of an operator psgl has no rules for, with outputs of the declared types. */
	addDeclared(
		{ type, name: wantedName, attributes, declared }: Omit<Node, "inputs" | "outputs" | "declared"> & DeclaredNode,
		inputs: readonly (Value | undefined)[],
	): readonly Value[] {
		const name = this.#names.has(wantedName) ? this.#unique(wantedName) : wantedName;
		this.#names.add(name);
		return this.#push({ type, name, inputs, attributes, declared }, declared);
	}

	/** Adds a node of another graph with other inputs. */
	addLike(node: Node, inputs: readonly (Value | undefined)[]): readonly Value[] {
		const { type, name, outputs, attributes, declared } = node;
		if (declared !== undefined) return this.addDeclared({ type, name, attributes, declared }, inputs);
		return this.addMany(type, inputs, outputs.length, attributes, name);
	}

	#push(node: Omit<Node, "outputs">, types: readonly ValueType[]): readonly Value[] {
		const outputs = types.map(({ dtype, shape }, i) => ({ name: `${node.name}:${i}`, dtype, shape }));
		const added: Node = { ...node, outputs };
		this.#nodes.push(added);
		for (const output of outputs) this.#producers.set(output.name, added);
		return outputs;
	}

	/** Makes `value` a graph output called `name`. */
	output(name: string, value: Value): Value {
		const renamed = this.add("Identity", [value]);
		const output = { ...renamed, name };
		const node = this.#nodes.at(-1) as Node;
		this.#nodes[this.#nodes.length - 1] = { ...node, outputs: [output] };
		this.#producers.set(name, this.#nodes.at(-1) as Node);
		this.#outputs.set(name, output);
		return output;
	}

	/** The finished graph, without nodes and constants no output depends on. */
	build(): Graph {
		if (this.#outputs.size === 0) {
			throw new ArtifactError("PSGL_GRAPH_EMPTY", { what: `graph ${this.#name} has no outputs` });
		}
		return withoutCopies(this.#pruned(this.#inputs, [...this.#outputs.values()]));
	}

	/** A graph from `inputs` to `outputs`, for an operator that runs one. Where an output is no node's own, it becomes one. */
	subgraph(inputs: readonly Value[], outputs: readonly Value[]): Graph {
		const named = new Set<string>();
		const own = outputs.map((value) => {
			const output = named.has(value.name) || !this.#producers.has(value.name) ? this.add("Identity", [value]) : value;
			named.add(output.name);
			return output;
		});
		return this.#pruned(inputs, own);
	}

	#pruned(inputs: readonly Value[], outputs: readonly Value[]): Graph {
		const needed = new Set<string>();
		for (const value of outputs) needed.add(value.name);
		const nodes: Node[] = [];
		for (let i = this.#nodes.length - 1; i >= 0; i--) {
			const node = this.#nodes[i] as Node;
			if (!node.outputs.some((o) => o !== undefined && needed.has(o.name))) continue;
			for (const input of node.inputs) if (input !== undefined) needed.add(input.name);
			nodes.push(node);
		}
		return {
			name: this.#name,
			inputs,
			outputs,
			initializers: new Map([...this.#initializers].filter(([name]) => needed.has(name))),
			nodes: nodes.reverse(),
		};
	}

	#unique(prefix: string): string {
		let count = this.#counters.get(prefix) ?? 0;
		while (this.#names.has(`${prefix}_${count}`)) count++;
		this.#counters.set(prefix, count + 1);
		return `${prefix}_${count}`;
	}
}

/**
 * The graph whose outputs are computed under their own names: the Identity that names one copies what others read too, which
 * for an optimiser's state is megabytes. It stays where the output is an input, a constant, or another output as well.
 */
function withoutCopies(graph: Graph): Graph {
	const { nodes, outputs } = graph;
	const computed = new Set(nodes.flatMap((node) => node.outputs.map((value) => value?.name)));
	const taken = new Set(outputs.map(({ name }) => name));
	const renamed = new Map<string, string>();
	const kept = nodes.filter(({ type, inputs: [source], outputs: [output] }) => {
		if (type !== "Identity" || source === undefined || output === undefined) return true;
		if (!outputs.some(({ name }) => name === output.name)) return true;
		if (!computed.has(source.name) || taken.has(source.name) || renamed.has(source.name)) return true;
		renamed.set(source.name, output.name);
		return false;
	});
	const rename = (value: Value | undefined) => value && { ...value, name: renamed.get(value.name) ?? value.name };
	return {
		...graph,
		nodes: kept.map((node) => ({ ...node, inputs: node.inputs.map(rename), outputs: node.outputs.map(rename) })),
	};
}

/** The number as text; unlike what `join` makes of it, minus zero is not zero. */
function exactly(value: number | bigint): string {
	return Object.is(value, -0) ? "-0" : String(value);
}
