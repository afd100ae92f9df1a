import { decodeModel, encodeModel, GraphBuilder, importModel } from "@psgl/models";
import { ArtifactError, type Tensor, tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { type FileNode, type OnnxFile, onnxFile } from "../../helpers/onnx-file.js";

const x = tensor(
	"float32",
	[2, 3, 2],
	Float32Array.from({ length: 12 }, (_, i) => Math.sin(i)),
);

/** What a file with the input `x` [N,3,2] and the output `y` gives for `x`. */
async function run(file: Partial<OnnxFile> & { readonly opset: number; readonly nodes: readonly FileNode[] }) {
	const graph = decodeModel(onnxFile({ inputs: { x: ["N", 3, 2] }, outputs: ["y"], ...file }));
	await using session = await nodeRuntime.load(encodeModel(graph));
	return (await session.run({ x })).y as Tensor;
}

const node = (type: string, inputs: readonly string[], attributes: FileNode["attributes"] = {}): FileNode => ({
	type,
	inputs,
	outputs: ["y"],
	attributes,
});

/** Rows of `x` as numbers: [2][3][2]. */
const at = (n: number, c: number, i: number) => x.data[(n * 3 + c) * 2 + i] as number;

test("opset 11 reductions with axes as attribute", async (t) => {
	const sum = await run({ opset: 11, nodes: [node("ReduceSum", ["x"], { axes: { ints: [1] }, keepdims: { i: 0 } })] });
	t.deepEqual(sum.dims, [2, 2]);
	t.true(Math.abs(Number(sum.data[3]) - (at(1, 0, 1) + at(1, 1, 1) + at(1, 2, 1))) < 1e-6);
	const mean = await run({ opset: 17, nodes: [node("ReduceMean", ["x"], { axes: { ints: [-1] } })] });
	t.deepEqual(mean.dims, [2, 3, 1]);
	t.true(Math.abs(Number(mean.data[0]) - (at(0, 0, 0) + at(0, 0, 1)) / 2) < 1e-6);
});

test("opset 11 Unsqueeze, Squeeze and Split with attributes", async (t) => {
	const y = await run({
		opset: 11,
		nodes: [
			{ type: "Unsqueeze", inputs: ["x"], outputs: ["u"], attributes: { axes: { ints: [0] } } },
			{ type: "Squeeze", inputs: ["u"], outputs: ["s"], attributes: { axes: { ints: [0] } } },
			{ type: "Split", inputs: ["s"], outputs: ["a", "b"], attributes: { axis: { i: 1 }, split: { ints: [1, 2] } } },
			{ type: "Identity", inputs: ["b"], outputs: ["y"] },
		],
	});
	t.deepEqual(y.dims, [2, 2, 2]);
	t.deepEqual(
		[...y.data],
		[at(0, 1, 0), at(0, 1, 1), at(0, 2, 0), at(0, 2, 1), at(1, 1, 0), at(1, 1, 1), at(1, 2, 0), at(1, 2, 1)],
	);
});

test("opset 13 Split into equal parts", async (t) => {
	const split: FileNode = { type: "Split", inputs: ["x"], outputs: ["a", "y"], attributes: { axis: { i: 2 } } };
	const y = await run({ opset: 13, nodes: [split] });
	t.deepEqual(y.dims, [2, 3, 1]);
	t.is(y.data[1], at(0, 1, 1));
});

test("opset 11 Softmax normalises over all axes from its axis on", async (t) => {
	const y = await run({ opset: 11, nodes: [node("Softmax", ["x"])] });
	t.deepEqual(y.dims, [2, 3, 2]);
	const total = [...y.data].slice(0, 6).reduce<number>((sum, v) => sum + Number(v), 0);
	t.true(Math.abs(total - 1) < 1e-6);
});

test("Dropout outside training passes its input on and keeps everything, in training mode it is refused", async (t) => {
	t.deepEqual((await run({ opset: 13, nodes: [node("Dropout", ["x"])] })).data, x.data);
	const masked: FileNode = { type: "Dropout", inputs: ["x"], outputs: ["z", "y"] };
	t.deepEqual([...(await run({ opset: 13, nodes: [masked] })).data], new Array(12).fill(1));
	const nodes: FileNode[] = [
		{ type: "Constant", inputs: [], outputs: ["training"], attributes: { value: { tensor: [1] } } },
		node("Dropout", ["x", "", "training"]),
	];
	const error = t.throws(() => decodeModel(onnxFile({ opset: 13, inputs: { x: [2] }, outputs: ["y"], nodes })), {
		instanceOf: ArtifactError,
	});
	t.is(error?.code, "PSGL_ONNX_DROPOUT");
});

test("shapes computed in the graph are folded away, the batch stays open", async (t) => {
	// As PyTorch writes x.view(x.size(0), -1).
	const nodes: FileNode[] = [
		{ type: "Shape", inputs: ["x"], outputs: ["shape"] },
		{ type: "Constant", inputs: [], outputs: ["zero"], attributes: { value_int: { i: 0 } } },
		{ type: "Gather", inputs: ["shape", "zero"], outputs: ["batch"], attributes: { axis: { i: 0 } } },
		{ type: "Constant", inputs: [], outputs: ["axes"], attributes: { value: { tensor: [0] } } },
		{ type: "Unsqueeze", inputs: ["batch", "axes"], outputs: ["batch1"] },
		{ type: "Constant", inputs: [], outputs: ["rest"], attributes: { value: { tensor: [-1] } } },
		{ type: "Concat", inputs: ["batch1", "rest"], outputs: ["target"], attributes: { axis: { i: 0 } } },
		node("Reshape", ["x", "target"]),
	];
	const graph = decodeModel(onnxFile({ opset: 15, inputs: { x: ["N", 3, 2] }, outputs: ["y"], nodes }));
	t.deepEqual(graph.outputs[0]?.shape, ["N", 6]);
	t.deepEqual(
		graph.nodes.map((n) => n.type),
		["Reshape"],
	);
	t.deepEqual((await run({ opset: 15, nodes })).dims, [2, 6]);
});

/** As PyTorch writes x.squeeze(1): whether the axis can go is asked of the shape. */
const conditional = (condition: number): FileNode[] => [
	{
		type: "If",
		inputs: ["is wanted"],
		outputs: ["y"],
		attributes: {
			then_branch: {
				graph: {
					nodes: [{ type: "Mul", inputs: ["sum", "twos"], outputs: ["product"] }],
					floats: { twos: [2, 2] },
					outputs: ["product"],
				},
			},
			else_branch: { graph: { nodes: [{ type: "Neg", inputs: ["sum"], outputs: ["minus"] }], outputs: ["minus"] } },
		},
	},
	// Behind its reader, which reads it only inside of the branches.
	{ type: "ReduceSum", inputs: ["x"], outputs: ["sum"], attributes: { axes: { ints: [1] }, keepdims: { i: 0 } } },
	{ type: "Shape", inputs: ["x"], outputs: ["shape"] },
	{ type: "Constant", inputs: [], outputs: ["one"], attributes: { value_int: { i: 1 } } },
	{ type: "Constant", inputs: [], outputs: ["extent"], attributes: { value_int: { i: condition } } },
	{ type: "Gather", inputs: ["shape", "one"], outputs: ["channels"], attributes: { axis: { i: 0 } } },
	{ type: "Equal", inputs: ["channels", "extent"], outputs: ["is wanted"] },
];

test("of an If whose condition the shapes decide, the branch it takes stands in its place", async (t) => {
	const sum = (n: number, i: number) => at(n, 0, i) + at(n, 1, i) + at(n, 2, i);
	for (const [extent, factor] of [
		[3, 2],
		[4, -1],
	] as const) {
		const nodes = conditional(extent);
		const y = await run({ opset: 11, nodes });
		t.deepEqual(y.dims, [2, 2]);
		const expected = [sum(0, 0), sum(0, 1), sum(1, 0), sum(1, 1)].map((s) => factor * s);
		expected.forEach((v, i) => {
			t.true(Math.abs(Number(y.data[i]) - v) < 1e-6);
		});
	}
});

test("an If whose condition the data decide is refused, and a branch that names something twice", (t) => {
	const read = (nodes: readonly FileNode[], floats = {}) =>
		t.throws(() => decodeModel(onnxFile({ opset: 11, inputs: { x: ["N", 3, 2] }, outputs: ["y"], nodes, floats })), {
			instanceOf: ArtifactError,
		});
	const byData = conditional(3).map((n) => (n.type === "Equal" ? { ...n, inputs: ["sum", "sum"] } : n));
	const error = read(byData);
	t.is(error?.code, "PSGL_ONNX_CONTROL_FLOW");
	t.regex(error?.message ?? "", /If_y.*condition/);
	t.is(read(conditional(3), { twos: [1] })?.code, "PSGL_ONNX_DUPLICATE");
});

test("a Scan along another axis, in two directions, or whose body takes something else is refused", (t) => {
	const body = {
		inputs: ["before", "slice"],
		nodes: [{ type: "Add", inputs: ["before", "slice"], outputs: ["next"] }],
		outputs: ["next"],
	};
	const read = (attributes: FileNode["attributes"], inputs = body.inputs) =>
		decodeModel(
			onnxFile({
				opset: 16,
				inputs: { x: ["N", 3, 2], s: [3, 2] },
				outputs: ["y"],
				nodes: [
					node("Scan", ["s", "x"], { num_scan_inputs: { i: 1 }, body: { graph: { ...body, inputs } }, ...attributes }),
				],
			}),
		);
	t.deepEqual(read({}).outputs[0]?.shape, [3, 2]);
	t.deepEqual(read({ scan_input_directions: { ints: [1] } }).outputs[0]?.shape, [3, 2]);
	for (const act of [
		() => read({ scan_input_axes: { ints: [1] } }),
		() => read({ scan_input_directions: { ints: [1] }, scan_output_directions: { ints: [0] } }),
		() => read({}, ["before"]),
		() => read({ num_scan_inputs: { i: 3 } }),
	]) {
		t.is(t.throws(act, { instanceOf: ArtifactError })?.code, "PSGL_ONNX_CONTROL_FLOW");
	}
});

test("initialisers in typed fields, some listed among the inputs", async (t) => {
	const file = {
		opset: 13,
		inputs: { x: ["N", 3, 2], scale: [2] },
		floats: { scale: [2, -1] },
		nodes: [node("Mul", ["x", "scale"])],
	} as const;
	const y = await run(file);
	t.is(y.data[0], 2 * at(0, 0, 0));
	t.is(y.data[1], -at(0, 0, 1));
});

const refused: Readonly<Record<string, Partial<OnnxFile>>> = {
	PSGL_ONNX_OPSET: { opset: 9 },
	PSGL_OPERATOR_UNKNOWN: {
		nodes: [{ type: "FusedMatMul", inputs: ["x", "x"], outputs: ["y"], domain: "com.microsoft" }],
	},
	PSGL_ONNX_CORRUPT: { nodes: [node("Relu", ["nowhere"])] },
	PSGL_ONNX_EXTERNAL_DATA: { external: { weight: { dims: [1], entries: { location: "weights.bin" } } } },
	PSGL_ONNX_SPARSE: { sparse: true },
	PSGL_ONNX_CONTROL_FLOW: { nodes: [node("Loop", ["x"])] },
	PSGL_ONNX_DUPLICATE: { nodes: [node("Relu", ["x"]), node("Tanh", ["x"])] },
	PSGL_ONNX_DYNAMIC_SHAPE: {
		nodes: [
			{ type: "Shape", inputs: ["x"], outputs: ["shape"] },
			{ type: "Cast", inputs: ["shape"], outputs: ["float"], attributes: { to: { i: 1 } } },
			node("Mul", ["x", "float"]),
		],
	},
	PSGL_ONNX_NOT_ONNX: { nodes: [] },
};

for (const [code, change] of Object.entries(refused)) {
	test(`a file is refused with ${code}`, (t) => {
		const valid = { opset: 13, inputs: { x: ["N", 2] }, outputs: ["y"], nodes: [node("Relu", ["x"])] };
		t.notThrows(() => decodeModel(onnxFile(valid)));
		const error = t.throws(() => decodeModel(onnxFile({ ...valid, ...change })), { instanceOf: ArtifactError });
		t.is(error?.code, code);
		t.truthy(error?.remedy, "what to do");
	});
}

const chain = (order: readonly number[], first = "x"): OnnxFile => {
	const nodes: readonly FileNode[] = [
		{ type: "Relu", inputs: [first], outputs: ["a"] },
		{ type: "Neg", inputs: ["a"], outputs: ["b"] },
		{ type: "Add", inputs: ["a", "b"], outputs: ["c"] },
		{ type: "Exp", inputs: ["c"], outputs: ["y"] },
	];
	const inputs = { x: ["N", 3, 2] } as const;
	return { opset: 13, inputs, outputs: ["y"], nodes: order.map((i) => nodes[i] as FileNode) };
};

test("nodes in any order are sorted; those in order stay as they are", async (t) => {
	const types = (order: readonly number[]) => decodeModel(onnxFile(chain(order))).nodes.map((n) => n.type);
	t.deepEqual(types([0, 1, 2, 3]), ["Relu", "Neg", "Add", "Exp"]);
	t.deepEqual(types([3, 2, 1, 0]), ["Relu", "Neg", "Add", "Exp"]);
	t.deepEqual([...(await run(chain([2, 3, 0, 1]))).data], new Array(12).fill(1));
});

test("a cycle is refused with the nodes on it, and no others", (t) => {
	const error = t.throws(() => decodeModel(onnxFile(chain([3, 0, 1, 2], "c"))), { instanceOf: ArtifactError });
	t.is(error?.code, "PSGL_ONNX_CYCLE");
	t.regex(error?.message ?? "", /Relu_a -> (Neg_b -> )?Add_c -> Relu_a/);
	t.notRegex(error?.message ?? "", /Exp_y/);
});

test("names given twice are told with what gives them", (t) => {
	for (const [name, file] of Object.entries({
		x: { nodes: [node("Relu", ["x"]), { type: "Relu", inputs: ["y"], outputs: ["x"] }] },
		w: { floats: { w: [1, 2] }, halves: { w: [0, 0] }, nodes: [node("Mul", ["x", "w"])] },
	})) {
		const error = t.throws(
			() => decodeModel(onnxFile({ opset: 13, inputs: { x: ["N", 2] }, outputs: ["y"], ...file })),
			{ instanceOf: ArtifactError },
		);
		t.is(error?.code, "PSGL_ONNX_DUPLICATE");
		t.regex(error?.message ?? "", new RegExp(`one name: ${name}`));
	}
});

test("float16 weights are read as float32, with a note", (t) => {
	const patterns = { 0: 0, 1: 0x3c00, 2: 0xc100, 3: 0x0001, 4: 0x7bff, 5: 0x8400 };
	const values = [0, 1, -2.5, 2 ** -24, 65504, -(2 ** -14)];
	const notes: string[] = [];
	const g = new GraphBuilder("halves");
	const halves = { w: Object.values(patterns) };
	const cast = { type: "Cast", inputs: ["z"], outputs: ["y"], attributes: { to: { i: 10 } } } as const;
	const nodes = [{ type: "Mul", inputs: ["x", "w"], outputs: ["z"] }, cast];
	let weight: Tensor | undefined;
	const outputs = importModel(g, onnxFile({ opset: 13, inputs: { x: ["N", 6] }, outputs: ["y"], nodes, halves }), {
		input: (name, dtype, shape) => g.input(name, dtype, shape),
		initializer(name, value) {
			weight = value;
			return g.constant(value, name);
		},
		note: (text) => notes.push(text),
	});
	t.is(weight?.dtype, "float32");
	t.deepEqual(Array.from(weight?.data as Float32Array), values);
	t.is(outputs.get("y")?.dtype, "float32");
	t.is(notes.length, 1);
	t.regex(notes[0] ?? "", /float16/);
});
