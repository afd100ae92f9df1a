import { attributes, GraphBuilder } from "@psgl/models";
import { ShapeError, type Tensor } from "@psgl/sdk";
import test from "ava";
import fc from "fast-check";
import { goldenVectors, relativeError } from "../../helpers/golden.js";
import { gradientProperty } from "../../helpers/gradient-property.js";
import { type BuildOperator, compileWithGradients, normalTensor } from "../../helpers/operator-gradients.js";
import { withShared } from "../../helpers/shared.js";

const { int, ints, string } = attributes;

const pool =
	(settings: attributes.Attributes): BuildOperator =>
	(g, { input }) =>
		g.add("AveragePool", [input], settings);

const golden: Readonly<Record<string, attributes.Attributes>> = {
	op_avgpool2: { kernel_shape: ints([2, 2]), strides: ints([2, 2]) },
	op_avgpool3_s2_p1_excl: { kernel_shape: ints([3, 3]), strides: ints([2, 2]), pads: ints([1, 1, 1, 1]) },
};

for (const [name, settings] of Object.entries(golden)) {
	withShared(`AveragePool gives PyTorch's output and gradient: ${name}`, async (t) => {
		const vector = await goldenVectors(name);
		const [input, gout, out] = [vector("in_input"), vector("in_gout"), vector("out")];
		await using session = await compileWithGradients({ input }, pool(settings), { batched: ["input"] });
		const results = await session.run({ input, gout });
		t.true(relativeError(results.out as Tensor, out) < 1e-6);
		t.true(relativeError(results["g.input"] as Tensor, vector("g_input")) < 1e-5);
	});
}

/** Settings of a window over one or two axes; the second half of the pads is that at the end. */
const drawnWindows = fc.record({
	axes: fc.integer({ min: 1, max: 2 }),
	kernel: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 2 }),
	strides: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 2 }),
	extents: fc.array(fc.integer({ min: 5, max: 9 }), { minLength: 2, maxLength: 2 }),
	pads: fc.array(fc.nat(2), { minLength: 4, maxLength: 4 }),
	includePad: fc.nat(1),
	autoPad: fc.constantFrom("NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"),
	ceil: fc.nat(1),
});

test("AveragePool: derivatives agree with finite differences for drawn windows", async (t) => {
	await gradientProperty(
		drawnWindows,
		(d, random) => {
			const kernel = d.kernel.slice(0, d.axes);
			// A pad as large as its window would average nothing.
			const pads = [0, 1].flatMap((end) => kernel.map((k, i) => Math.min(d.pads[2 * end + i] as number, k - 1)));
			// ONNX Runtime refuses to pool with auto_pad SAME where strides are larger than the kernel.
			const strides = kernel.map((k, i) => Math.min(d.strides[i] as number, d.autoPad.startsWith("SAME") ? k : 3));
			const settings: attributes.Attributes = {
				kernel_shape: ints(kernel),
				strides: ints(strides),
				...(d.autoPad === "NOTSET" ? { pads: ints(pads), ceil_mode: int(d.ceil) } : { auto_pad: string(d.autoPad) }),
				count_include_pad: int(d.includePad),
			};
			const input = normalTensor(random, [3, 2, ...d.extents.slice(0, d.axes)]);
			return { inputs: { input }, build: pool(settings), batched: ["input"] };
		},
		{ runs: 60, step: 0.5, tolerance: 1e-4 },
	);
	t.pass();
});

test("AveragePool without a kernel_shape is refused", (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", ["B", 3, 8, 8]);
	t.throws(() => g.add("AveragePool", [x]), { instanceOf: ShapeError, code: "PSGL_SHAPE_MISMATCH" });
});
