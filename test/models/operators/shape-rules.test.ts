import { attributes, GraphBuilder, type Shape, type Value } from "@psgl/models";
import { ArtifactError, ShapeError, tensor } from "@psgl/sdk";
import test from "ava";

const { int, ints } = attributes;

function shapeOf(from: Shape, build: (g: GraphBuilder, x: Value) => Value): Shape {
	const g = new GraphBuilder("test");
	return build(g, g.input("x", "float32", from)).shape;
}

test("a batch of unknown size is carried through", (t) => {
	const reshape = (target: readonly number[]) => (g: GraphBuilder, x: Value) => g.add("Reshape", [x, g.ints(target)]);
	t.deepEqual(shapeOf(["B", 3, 4], reshape([0, -1])), ["B", 12]);
	t.deepEqual(shapeOf(["B", 3, 4], reshape([-1, 12])), ["B", 12]);
	t.deepEqual(shapeOf(["B", 3, 4], reshape([-1, 4])), ["3*B", 4]);
	t.deepEqual(shapeOf(["3*B", 4], reshape([-1, 3, 4])), ["B", 3, 4]);
	t.deepEqual(shapeOf(["B", "N", 4], reshape([-1, 4])), ["B*N", 4]);
	t.deepEqual(
		shapeOf(["B", 3, 4], (g, x) => g.add("Flatten", [x], { axis: int(2) })),
		["3*B", 4],
	);
	t.deepEqual(
		shapeOf(["B", 3], (g, x) => g.add("Add", [x, g.input("y", "float32", [2, 1, 3])])),
		[2, "B", 3],
	);
	t.deepEqual(
		shapeOf(["B", 3], (g, x) => g.add("Concat", [x, x], { axis: int(0) })),
		["B+B", 3],
	);
	t.deepEqual(
		shapeOf(["B", 3], (g, x) => g.add("Expand", [x, g.ints([2, 1, 3])])),
		[2, "B", 3],
	);
});

const misfits: Readonly<Record<string, (g: GraphBuilder, x: Value) => Value>> = {
	"Add of shapes that do not broadcast": (g, x) => g.add("Add", [x, g.floats([1, 2])]),
	"Add of different element types": (g, x) => g.add("Add", [x, g.ints([1, 2, 3])]),
	"MatMul of different inner extents": (g, x) => g.add("MatMul", [x, g.floats([1, 2, 3, 4], [2, 2])]),
	"Gemm of different inner extents": (g, x) => g.add("Gemm", [x, g.floats([1, 2, 3, 4], [2, 2])]),
	"Reshape to another number of values": (g, x) => g.add("Reshape", [x, g.ints([0, 4])]),
	"Reshape that leaves a rest": (g, x) => g.add("Reshape", [x, g.ints([0, 2, -1])]),
	"Transpose by what is no permutation": (g, x) => g.add("Transpose", [x], { perm: ints([0, 0]) }),
	"Concat of different extents": (g, x) => g.add("Concat", [x, g.floats([1, 2, 3, 4], [1, 4])], { axis: int(0) }),
	"Concat along an axis that is not there": (g, x) => g.add("Concat", [x, x], { axis: int(2) }),
	"Split into too few": (g, x) => g.addMany("Split", [x, g.ints([1, 1])], 2, { axis: int(1) })[0] as Value,
	"Squeeze of an extent above 1": (g, x) => g.add("Squeeze", [x, g.ints([1])]),
	"Slice of a part of the batch": (g, x) => g.add("Slice", [x, g.ints([1]), g.ints([2]), g.ints([0])]),
	"Split evenly of an extent that is not known": (g, x) =>
		g.addMany("Split", [x], 2, { axis: int(0), num_outputs: int(2) })[0] as Value,
	"CumSum along an axis that is not there": (g, x) => g.add("CumSum", [x, g.ints([2])]),
	"ReduceL2 along an axis that is not there": (g, x) => g.add("ReduceL2", [x, g.ints([-3])]),
	"InstanceNormalization of what is no image": (g, x) =>
		g.add("InstanceNormalization", [x, g.floats([1, 2, 3]), g.floats([1, 2, 3])]),
	"Conv of what is no image": (g, x) => g.add("Conv", [x, g.floats([1, 2, 3], [1, 3, 1])]),
	"Where of shapes that do not broadcast": (g, x) => g.add("Where", [g.add("Greater", [x, x]), x, g.floats([1, 2])]),
	"Max of shapes that do not broadcast": (g, x) => g.add("Max", [x, x, g.floats([1, 2])]),
	"Pow of shapes that do not broadcast": (g, x) => g.add("Pow", [x, g.floats([1, 2])]),
	"SpaceToDepth of what is no image": (g, x) => g.add("SpaceToDepth", [x], { blocksize: int(2) }),
};

for (const [name, build] of Object.entries(misfits)) {
	test(`${name} is refused, with the node named`, (t) => {
		const error = t.throws(() => shapeOf(["B", 3], build), { instanceOf: ShapeError });
		t.regex(error?.code ?? "", /^PSGL_(SHAPE|DTYPE)_MISMATCH$/);
		t.regex(error?.message ?? "", /node \w+_\d/);
		if (error?.code === "PSGL_SHAPE_MISMATCH") t.regex(error.message, /\[B,3\]/);
	});
}

test("what has to be a constant and is not is refused", (t) => {
	const error = t.throws(() => shapeOf(["B", 3], (g, x) => g.add("Squeeze", [x, g.input("axes", "int64", [1])])), {
		instanceOf: ArtifactError,
	});
	t.is(error?.code, "PSGL_OPERATOR_CONSTANT");
});

test("a cast to an element type psgl does not have is refused", (t) => {
	const error = t.throws(() => shapeOf(["B", 3], (g, x) => g.add("Cast", [x], { to: int(8) })), {
		instanceOf: ArtifactError,
	});
	t.is(error?.code, "PSGL_OPERATOR_ATTRIBUTE");
});

test("names that are taken do not clash", (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("Add_0", "float32", ["B"]);
	const first = g.addMany("Relu", [x], 1, {}, "Neg_0")[0] as Value;
	const second = g.addMany("Relu", [first], 1, {}, "Neg_0")[0] as Value;
	const constant = g.constant(tensor("float32", [2], Float32Array.of(1, 2)), "constant_0");
	const values = [x, first, second, constant, g.add("Neg", [x]), g.add("Add", [x, x]), g.scalar(3)];
	t.is(new Set(values.map((v) => v.name)).size, values.length);
});

for (const [name, setting] of Object.entries({ strides: [0, 1], dilations: [1], pads: [0, 0, -1, 0] })) {
	test(`${name} no window can have are refused with the node`, (t) => {
		const error = t.throws(
			() =>
				shapeOf(["B", 1, 5, 5], (g, x) => g.add("MaxPool", [x], { kernel_shape: ints([2, 2]), [name]: ints(setting) })),
			{ instanceOf: ArtifactError },
		);
		t.is(error?.code, "PSGL_OPERATOR_ATTRIBUTE");
		t.regex(error?.message ?? "", new RegExp(`MaxPool_0[\\s\\S]*${name}`));
	});
}
