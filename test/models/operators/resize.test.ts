import { attributes, decodeModel, encodeModel, GraphBuilder } from "@psgl/models";
import { ArtifactError, ShapeError, seededRandom, type Tensor, tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import fc from "fast-check";
import { goldenVectors, relativeError } from "../../helpers/golden.js";
import { gradientProperty } from "../../helpers/gradient-property.js";
import { type FileNode, onnxFile } from "../../helpers/onnx-file.js";
import {
	type BuildOperator,
	compileWithGradients,
	gradientErrors,
	normalTensor,
} from "../../helpers/operator-gradients.js";
import { withShared } from "../../helpers/shared.js";

const { int, ints, string } = attributes;

const enlargeBy =
	(factors: readonly number[], settings: attributes.Attributes = {}): BuildOperator =>
	(g, { input }) =>
		g.add("Resize", [input, undefined, g.floats([1, 1, ...factors])], settings);

withShared("Resize gives PyTorch's output and gradient", async (t) => {
	const vector = await goldenVectors("op_resize_nearest2");
	const [input, gout, out] = [vector("in_input"), vector("in_gout"), vector("out")];
	await using session = await compileWithGradients({ input }, enlargeBy([2, 2]), { batched: ["input"] });
	const results = await session.run({ input, gout });
	t.is(relativeError(results.out as Tensor, out), 0);
	t.true(relativeError(results["g.input"] as Tensor, vector("g_input")) < 1e-5);
});

const asymmetric = { coordinate_transformation_mode: string("asymmetric"), nearest_mode: string("floor") };

for (const factors of [[3], [2, 3], [1, 4]]) {
	for (const settings of [{}, asymmetric]) {
		const coordinates = settings === asymmetric ? "asymmetric" : "half_pixel";
		test(`Resize's derivatives agree with finite differences: ${factors.join(" by ")}, ${coordinates}`, async (t) => {
			const random = seededRandom(2);
			const input = normalTensor(random, [2, 3, ...factors.map((_, i) => 4 + i)]);
			const build = enlargeBy(factors, settings);
			const errors = await gradientErrors({ input }, build, { random, step: 0.5, batched: ["input"] });
			t.true(errors.first < 1e-4, `first: ${errors.first}`);
			t.true(errors.second < 1e-4, `second: ${errors.second}`);
		});
	}
}

const modes = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"];

for (const mode of ["nearest", "linear"]) {
	for (const coordinates of modes) {
		test(`Resize's derivatives agree with finite differences for drawn scales and sizes: ${mode}, ${coordinates}`, async (t) => {
			const extents = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 3 });
			await gradientProperty(
				fc.record({
					batch: fc.integer({ min: 1, max: 3 }),
					extents,
					sizes: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 3, maxLength: 3 }),
					scales: fc.array(fc.double({ min: 0.3, max: 3, noNaN: true }), { minLength: 3, maxLength: 3 }),
					bySize: fc.boolean(),
					rounding: fc.constantFrom("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"),
				}),
				({ batch, extents: from, sizes, scales, bySize, rounding }, random) => {
					const settings: attributes.Attributes = {
						mode: string(mode),
						coordinate_transformation_mode: string(coordinates),
						...(mode === "nearest" ? { nearest_mode: string(rounding) } : {}),
					};
					const axes = ints(from.map((_, i) => i + 2));
					// No axis may vanish.
					const enough = from.map((d, i) => Math.max(scales[i] as number, 1.01 / d));
					const build: BuildOperator = (g, { input }) =>
						bySize
							? g.add("Resize", [input, undefined, undefined, g.ints(sizes.slice(0, from.length))], {
									...settings,
									axes,
								})
							: g.add("Resize", [input, undefined, g.floats([1, 1, ...enough])], settings);
					return { inputs: { input: normalTensor(random, [batch, 2, ...from]) }, build, batched: ["input"] };
				},
				{ runs: 12, step: 0.5, tolerance: 1e-4 },
			);
			t.pass();
		});
	}
}

test("Resize read from opset 11 and 13, with sizes of a batch of unknown size", async (t) => {
	// As PyTorch writes interpolate(x, size=(5, 3)): the sizes are those of the batch and the channels, then the two.
	const nodes: FileNode[] = [
		{ type: "Shape", inputs: ["x"], outputs: ["shape"] },
		{ type: "Constant", inputs: [], outputs: ["zero"], attributes: { value: { tensor: [0] } } },
		{ type: "Constant", inputs: [], outputs: ["two"], attributes: { value: { tensor: [2] } } },
		{ type: "Slice", inputs: ["shape", "zero", "two"], outputs: ["kept"] },
		{ type: "Constant", inputs: [], outputs: ["extents"], attributes: { value: { tensor: [5, 3] } } },
		{ type: "Concat", inputs: ["kept", "extents"], outputs: ["sizes"], attributes: { axis: { i: 0 } } },
	];
	const settings = { mode: { s: "linear" }, coordinate_transformation_mode: { s: "align_corners" } };
	const x = tensor("float32", [2, 1, 3, 2], Float32Array.of(0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15));
	for (const opset of [11, 13]) {
		const inputs = opset === 11 ? ["x", "none", "none", "sizes"] : ["x", "", "", "sizes"];
		const resized: FileNode = { type: "Resize", inputs, outputs: ["y"], attributes: settings };
		const file = onnxFile({
			opset,
			inputs: { x: ["N", 1, 3, 2] },
			outputs: ["y"],
			nodes: [...nodes, resized],
			floats: { none: [] },
		});
		const graph = decodeModel(file);
		t.deepEqual(graph.outputs[0]?.shape, ["N", 1, 5, 3]);
		await using session = await nodeRuntime.load(encodeModel(graph));
		const y = (await session.run({ x })).y as Tensor;
		t.deepEqual(y.dims, [2, 1, 5, 3]);
		t.deepEqual([...y.data].slice(0, 6), [0, 0.5, 1, 1, 1.5, 2]);
		t.is(y.data[29], 15);
	}
});

test("Resize in ways psgl does not have is refused", (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", ["B", 3, 8, 8]);
	for (const settings of [
		{ mode: string("cubic") },
		{ coordinate_transformation_mode: string("tf_crop_and_resize") },
		{ antialias: int(1) },
	]) {
		t.throws(() => enlargeBy([2, 2], settings)(g, { input: x }), { instanceOf: ArtifactError, code: "PSGL_RESIZE" });
	}
});

test("Resize names the node and the shapes that do not fit", (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", ["B", 3, 8, 8]);
	const sizes = [
		[1, 3, 4, 4],
		[4, 4],
	];
	for (const given of sizes) {
		const error = t.throws(() => g.add("Resize", [x, undefined, undefined, g.ints(given)]), {
			instanceOf: ShapeError,
			code: "PSGL_SHAPE_MISMATCH",
		});
		t.regex(error?.message ?? "", /node Resize_\d+/);
		t.true(error?.message.includes(`[B,3,8,8] and - and - and [${given.length}]`));
	}
	t.throws(() => enlargeBy([0.1, 1])(g, { input: x }), { instanceOf: ShapeError });
});
