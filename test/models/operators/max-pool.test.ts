import { attributes, differentiate, encodeModel, GraphBuilder, type Value } from "@psgl/models";
import { type Tensor, tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import fc from "fast-check";
import { goldenVectors, relativeError } from "../../helpers/golden.js";
import { gradientProperty } from "../../helpers/gradient-property.js";
import { importedOperator } from "../../helpers/imported-operator.js";
import { type BuildOperator, compileWithGradients } from "../../helpers/operator-gradients.js";
import { withShared } from "../../helpers/shared.js";

const { int, ints, string } = attributes;

const pool =
	(settings: attributes.Attributes): BuildOperator =>
	(g, { input }) =>
		g.add("MaxPool", [input], settings);

const halving: attributes.Attributes = { kernel_shape: ints([2, 2]), strides: ints([2, 2]) };

const golden: Readonly<Record<string, attributes.Attributes>> = {
	op_maxpool2: halving,
	op_maxpool2_ties: halving,
	op_maxpool2_ceil: { ...halving, ceil_mode: int(1) },
	op_maxpool3_s2_p1: { kernel_shape: ints([3, 3]), strides: ints([2, 2]), pads: ints([1, 1, 1, 1]) },
};

for (const [name, settings] of Object.entries(golden)) {
	withShared(`MaxPool gives PyTorch's output and gradient: ${name}`, async (t) => {
		const vector = await goldenVectors(name);
		const [input, gout, out] = [vector("in_input"), vector("in_gout"), vector("out")];
		await using session = await compileWithGradients({ input }, pool(settings), { batched: ["input"] });
		const results = await session.run({ input, gout });
		t.is(relativeError(results.out as Tensor, out), 0);
		t.true(relativeError(results["g.input"] as Tensor, vector("g_input")) < 1e-6);
	});
}

test("a tie gives the whole gradient to the first pixel, row-major, also where windows overlap", async (t) => {
	const input = tensor("float32", [1, 1, 3, 3], new Float32Array(9));
	const gout = tensor("float32", [1, 1, 2, 2], Float32Array.of(1, 2, 3, 4));
	await using session = await compileWithGradients({ input }, pool({ kernel_shape: ints([2, 2]) }));
	const results = await session.run({ input, gout });
	t.deepEqual([...(results["g.input"] as Tensor).data], [1, 2, 0, 3, 4, 0, 0, 0, 0]);
});

/** Settings of a window over one or two axes; the second half of the pads is that at the end. */
const drawnWindows = fc.record({
	axes: fc.integer({ min: 1, max: 2 }),
	kernel: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 2 }),
	strides: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 2 }),
	extents: fc.array(fc.integer({ min: 5, max: 9 }), { minLength: 2, maxLength: 2 }),
	pads: fc.array(fc.nat(2), { minLength: 4, maxLength: 4 }),
	dilations: fc.array(fc.integer({ min: 1, max: 2 }), { minLength: 2, maxLength: 2 }),
	autoPad: fc.constantFrom("NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"),
	ceil: fc.nat(1),
});

test("MaxPool: derivatives agree with finite differences for drawn windows", async (t) => {
	await gradientProperty(
		drawnWindows,
		(d, random) => {
			const kernel = d.kernel.slice(0, d.axes);
			// A pad as large as its window would leave no pixel to choose.
			const pads = [0, 1].flatMap((end) => kernel.map((k, i) => Math.min(d.pads[2 * end + i] as number, k - 1)));
			// ONNX Runtime refuses to pool with auto_pad SAME where strides are larger than the kernel.
			const strides = kernel.map((k, i) => Math.min(d.strides[i] as number, d.autoPad.startsWith("SAME") ? k : 3));
			const settings: attributes.Attributes = {
				kernel_shape: ints(kernel),
				strides: ints(strides),
				...(d.autoPad === "NOTSET"
					? { pads: ints(pads), ceil_mode: int(d.ceil), dilations: ints(d.dilations.slice(0, d.axes)) }
					: { auto_pad: string(d.autoPad) }),
			};
			const dims = [3, 2, ...d.extents.slice(0, d.axes)];
			// Pixels at least one apart from each other, so that a step of 0.05 along a normal direction changes no order.
			const count = dims.reduce((a, b) => a * b, 1);
			const input = tensor("float32", dims, Float32Array.from(random.permutation(count)));
			return { inputs: { input }, build: pool(settings), batched: ["input"] };
		},
		{ runs: 60, step: 0.05, tolerance: 1e-3 },
	);
	t.pass();
});

test("MaxPool gives the index of the first largest pixel in the whole tensor, which has no gradient", async (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", ["B", 1, 2, 4]);
	const [y, indices] = g.addMany("MaxPool", [x], 2, halving) as [Value, Value];
	t.deepEqual([indices.dtype, indices.shape], ["int64", ["B", 1, 1, 2]]);
	g.output("indices", indices);
	g.output("gradient", differentiate(g, [{ value: y, gradient: g.floats([1, 2], [1, 1, 1, 2]) }], [x])[0] as Value);
	await using session = await nodeRuntime.load(encodeModel(g.build()));
	const results = await session.run({ x: tensor("float32", [1, 1, 2, 4], Float32Array.of(1, 3, 2, 2, 3, 0, 1, 2)) });
	t.deepEqual([...(results.indices?.data ?? [])], [1n, 2n]);
	t.deepEqual([...(results.gradient?.data ?? [])], [0, 1, 2, 0, 0, 0, 0, 0]);
});

test("MaxPool that counts its indices column by column is refused", (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", ["B", 3, 8, 8]);
	t.throws(() => g.addMany("MaxPool", [x], 2, { ...halving, storage_order: int(1) }), { code: "PSGL_SHAPE_MISMATCH" });
});

test("GlobalMaxPool read from a file takes the largest pixel of each channel", async (t) => {
	const input = tensor("float32", [2, 2, 3], Float32Array.of(1, 5, 3, -2, -7, -4, 0, 0, 9, 6, 6, 2));
	const gout = tensor("float32", [2, 2, 1], Float32Array.of(1, 2, 3, 4));
	const build = importedOperator("GlobalMaxPool", 11, ["input"]);
	await using session = await compileWithGradients({ input }, build, { batched: ["input"] });
	const results = await session.run({ input, gout });
	t.deepEqual([...(results.out?.data ?? [])], [5, -2, 9, 6]);
	t.deepEqual([...(results["g.input"]?.data ?? [])], [0, 1, 0, 2, 0, 0, 0, 0, 3, 4, 0, 0]);
});
