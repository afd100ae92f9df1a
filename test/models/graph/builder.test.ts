import { attributes, encodeModel, GraphBuilder } from "@psgl/models";
import { ArtifactError, ShapeError, type Tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { numbers } from "../../helpers/numbers.js";

const { int, ints } = attributes;

const floats = (...values: number[]): Tensor<"float32"> => ({
	dtype: "float32",
	dims: [values.length],
	data: Float32Array.from(values),
});

test("a shape that does not fit is refused with the node, its operator and every shape named", (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", ["B", 3, 8, 8]);
	const weights = g.floats(new Float32Array(16 * 4 * 9), [16, 4, 3, 3]);
	const error = t.throws(() => g.addMany("Conv", [x, weights], 1, { pads: ints([1, 1, 1, 1]) }, "stem"), {
		instanceOf: ShapeError,
	});
	t.is(error?.code, "PSGL_SHAPE_MISMATCH");
	t.regex(error?.what ?? "", /stem.*Conv/);
	t.is(error?.got, "[B,3,8,8] and [16,4,3,3]");
	t.regex(error?.expected ?? "", /4 channels/);
	t.is(g.nodes.length, 0);
});

test("an operator psgl does not know is refused by name", (t) => {
	const g = new GraphBuilder("test");
	const error = t.throws(() => g.addMany("Loop", [g.scalar(1)], 1, {}, "my loop"), { instanceOf: ArtifactError });
	t.is(error?.code, "PSGL_OPERATOR_UNKNOWN");
	t.regex(error?.message ?? "", /my loop/);
	t.regex(error?.message ?? "", /Loop/);
});

test("an operator without an input it needs is refused", (t) => {
	const g = new GraphBuilder("test");
	const error = t.throws(() => g.add("MatMul", [g.input("x", "float32", [2, 2])]), { instanceOf: ArtifactError });
	t.is(error?.code, "PSGL_OPERATOR_INPUT");
	t.regex(error?.message ?? "", /MatMul_0/);
});

test("a graph without outputs is refused", (t) => {
	const g = new GraphBuilder("nothing");
	g.add("Relu", [g.input("x", "float32", [1])]);
	const error = t.throws(() => g.build(), { instanceOf: ArtifactError });
	t.is(error?.code, "PSGL_GRAPH_EMPTY");
	t.regex(error?.message ?? "", /nothing/);
});

test("nodes and constants no output needs are left out, inputs are kept", (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", ["B", 2]);
	g.input("unused", "float32", [5]);
	const used = g.add("Add", [x, g.floats([1, 2])]);
	const dead = g.add("Mul", [used, g.floats([3, 4])]);
	g.add("Exp", [dead]);
	const [first] = g.addMany("Split", [used], 2, { axis: int(1), num_outputs: int(2) });
	g.output("y", first ?? used);
	const graph = g.build();
	t.deepEqual(
		graph.nodes.map((n) => n.type),
		["Add", "Split"],
	);
	t.is(graph.initializers.size, 1);
	t.deepEqual(
		graph.inputs.map((i) => i.name),
		["x", "unused"],
	);
	// Building leaves the builder as it was.
	t.deepEqual(g.build(), graph);
});

test("equal small constants are one, different ones and large ones are not", (t) => {
	const g = new GraphBuilder("test");
	t.is(g.scalar(0.5), g.scalar(0.5));
	t.is(g.ints([1, 2]), g.ints([1, 2]));
	t.not(g.scalar(1), g.scalar(2));
	t.not(g.scalar(1).name, g.floats([1]).name);
	t.not(g.floats([1, 2, 3, 4]).name, g.floats([1, 2, 3, 4], [2, 2]).name);
	t.not(g.floats([1]).name, g.ints([1]).name);
	t.not(g.constant(floats(1), "named").name, g.constant(floats(1)).name);
	const large = new Float32Array(65);
	t.not(g.floats(large).name, g.floats(large).name);
	t.deepEqual(g.constantOf(g.floats([7])), floats(7));
	t.is(g.constantOf(g.input("x", "float32", [1])), undefined);
});

test("not a number is a constant too, and minus zero one of its own", async (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", [1]);
	g.output("zero", g.add("Div", [x, g.floats([0])]));
	g.output("minus", g.add("Div", [x, g.floats([-0])]));
	g.output("nan", g.add("Add", [x, g.floats([Number.NaN])]));
	await using session = await nodeRuntime.load(encodeModel(g.build()));
	const out = await session.run({ x: floats(1) });
	t.deepEqual(numbers(out.zero), [Number.POSITIVE_INFINITY]);
	t.deepEqual(numbers(out.minus), [Number.NEGATIVE_INFINITY]);
	t.deepEqual(numbers(out.nan), [Number.NaN]);
});

test("names do not collide, whatever is asked for", (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("Relu_0", "float32", [1]);
	const a = g.add("Relu", [x]);
	const b = g.addMany("Relu", [a], 1, {}, "layer")[0] ?? a;
	const c = g.addMany("Relu", [b], 1, {}, "layer")[0] ?? a;
	const names = [x, a, b, c].map((v) => v.name.split(":")[0]);
	t.is(new Set(names).size, 4);
	t.is(b.name, "layer:0");
});

test("outputs have the names they were given, the same value may have two", async (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", ["B", 2]);
	const y = g.add("Neg", [x]);
	t.deepEqual(g.output("first", y), { name: "first", dtype: "float32", shape: ["B", 2] });
	g.output("second", y);
	g.output("same", x);
	await using session = await nodeRuntime.load(encodeModel(g.build()));
	t.deepEqual(session.inputNames, ["x"]);
	t.deepEqual(session.outputNames, ["first", "second", "same"]);
	const out = await session.run({ x: { ...floats(1, -2), dims: [1, 2] } });
	t.deepEqual(
		session.outputNames.map((name) => numbers(out[name])),
		[
			[-1, 2],
			[-1, 2],
			[1, -2],
		],
	);
});

test("a batch that is only known when the graph runs may have any size", async (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", ["B", 2, 3]);
	const flat = g.add("Flatten", [x], { axis: int(1) });
	t.deepEqual(flat.shape, ["B", 6]);
	g.output("y", g.add("ReduceSum", [flat, g.ints([1])], { keepdims: int(0) }));
	await using session = await nodeRuntime.load(encodeModel(g.build()));
	for (const batch of [1, 2, 9]) {
		const { y } = await session.run({
			x: { dtype: "float32", dims: [batch, 2, 3], data: new Float32Array(batch * 6).fill(0.5) },
		});
		t.deepEqual(y?.dims, [batch]);
		t.deepEqual(numbers(y), new Array(batch).fill(3));
	}
});
