import protobuf from "protobufjs/light.js";

const field = (id: number, type: string) => ({ id, type });
const several = (id: number, type: string) => ({ id, type, rule: "repeated" });

/** What of onnx.proto has to change between opsets; everything else is carried as bytes. */
const root = protobuf.Root.fromJSON({
	nested: {
		Model: { fields: { ir: field(1, "int64"), graph: field(7, "Graph"), opset: several(8, "bytes") } },
		Opset: { fields: { version: field(2, "int64") } },
		Graph: {
			fields: {
				node: several(1, "Node"),
				name: field(2, "string"),
				initializer: several(5, "bytes"),
				input: several(11, "bytes"),
				output: several(12, "bytes"),
			},
		},
		Node: {
			fields: {
				input: several(1, "string"),
				output: several(2, "string"),
				name: field(3, "string"),
				type: field(4, "string"),
				attribute: several(5, "bytes"),
			},
		},
		Attribute: {
			fields: {
				name: field(1, "string"),
				i: field(3, "int64"),
				t: field(5, "Tensor"),
				ints: { ...several(8, "int64"), options: { packed: false } },
				type: field(20, "int32"),
			},
		},
		Tensor: {
			fields: { dims: several(1, "int64"), dtype: field(2, "int32"), name: field(8, "string"), raw: field(9, "bytes") },
		},
	},
});
const type = (name: string) => root.lookupType(name);

interface Node {
	input: string[];
	output: string[];
	name: string;
	type: string;
	attribute: Uint8Array[];
}

interface Attribute {
	readonly name: string;
	readonly ints: readonly (number | { toNumber(): number })[];
	readonly t?: { readonly raw: Uint8Array };
}

const decoded = (bytes: Uint8Array) => type("Attribute").decode(bytes) as unknown as Attribute;
const named = (node: Node, name: string) => node.attribute.find((bytes) => decoded(bytes).name === name);
const without = (node: Node, name: string) => {
	node.attribute = node.attribute.filter((bytes) => decoded(bytes).name !== name);
};
const raw = (values: readonly number[]) => new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
const integers = (bytes: Uint8Array) =>
	Array.from({ length: bytes.byteLength / 8 }, (_, i) =>
		Number(new DataView(bytes.buffer, bytes.byteOffset).getBigInt64(8 * i, true)),
	);

/** Operators whose integers are an attribute in early opsets and an input in late ones: since when. */
const moved: Readonly<Record<string, { readonly name: string; readonly since: number }>> = {
	Squeeze: { name: "axes", since: 13 },
	Unsqueeze: { name: "axes", since: 13 },
	Split: { name: "split", since: 13 },
	ReduceSum: { name: "axes", since: 13 },
	ReduceMean: { name: "axes", since: 18 },
	ReduceMax: { name: "axes", since: 18 },
};

/**
 * An exported file as an exporter would write it in another opset: axes and sizes as attributes or as inputs,
 * `num_outputs` of Split, `training_mode` of BatchNormalization, no `allowzero` of Reshape before opset 14.
 */
export function rewriteOpset(file: Uint8Array, opset: number): Uint8Array {
	const model = type("Model").decode(file) as unknown as {
		graph: { node: Node[]; initializer: Uint8Array[] };
		opset: Uint8Array[];
		ir: number;
	};
	const { graph } = model;
	const constants = new Map(
		graph.node
			.filter((node) => node.type === "Constant")
			.map((node) => [node.output[0], decoded(node.attribute[0] as Uint8Array).t?.raw] as const),
	);
	for (const node of graph.node) {
		const move = moved[node.type];
		if (move !== undefined && opset >= move.since) toInput(graph.initializer, node, move.name);
		if (move !== undefined && opset < move.since) toAttribute(node, move.name, constants);
		if (node.type === "Split" && opset >= 18 && node.input.length === 1) {
			node.attribute.push(attribute({ name: "num_outputs", i: node.output.length, type: 2 }));
		}
		if (node.type === "BatchNormalization" && opset >= 14 && node.output.length === 5) {
			node.output = node.output.slice(0, 3);
			node.attribute.push(attribute({ name: "training_mode", i: 1, type: 2 }));
		}
		if (node.type === "Reshape" && opset < 14) without(node, "allowzero");
	}
	model.opset = [type("Opset").encode({ version: opset }).finish()];
	model.ir = 8;
	return type("Model").encode(model).finish();
}

const attribute = (fields: object) => type("Attribute").encode(fields).finish();

function toInput(initializers: Uint8Array[], node: Node, name: string): void {
	const bytes = named(node, name);
	if (bytes === undefined) return;
	const values = decoded(bytes).ints.map(Number);
	const input = `${node.output[0]} ${name}`;
	initializers.push(
		type("Tensor")
			.encode({ dims: [values.length], dtype: 7, name: input, raw: raw(values) })
			.finish(),
	);
	node.input = [node.input[0] as string, input];
	without(node, name);
}

function toAttribute(
	node: Node,
	name: string,
	constants: ReadonlyMap<string | undefined, Uint8Array | undefined>,
): void {
	if (node.input[1] === undefined) return;
	const bytes = constants.get(node.input[1]);
	if (bytes === undefined) throw new Error(`${name} of ${node.name} is no Constant node`);
	node.input = [node.input[0] as string];
	node.attribute.push(attribute({ name, ints: integers(bytes), type: 7 }));
}
