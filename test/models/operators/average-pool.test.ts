import { attributes, GraphBuilder } from "@psgl/models";
import { type Random, ShapeError, seededRandom, type Tensor } from "@psgl/sdk";
import test from "ava";
import { goldenVectors, relativeError } from "../../helpers/golden.js";
import {
	type BuildOperator,
	compileWithGradients,
	gradientErrors,
	normalTensor,
} from "../../helpers/operator-gradients.js";
import { withShared } from "../../helpers/shared.js";

const { int, ints } = attributes;

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

const between = (random: Random, low: number, high: number) => low + random.integer(high - low + 1);

for (let seed = 0; seed < 24; seed++) {
	test(`AveragePool's first and second derivatives agree with finite differences, drawn shape ${seed}`, async (t) => {
		const random = seededRandom(seed);
		const axes = 1 + (seed % 2);
		const draw = (low: number, high: number) => Array.from({ length: axes }, () => between(random, low, high));
		const kernel = draw(1, 3);
		const pads = kernel.map((k) => between(random, 0, k >> 1));
		const settings: attributes.Attributes = {
			kernel_shape: ints(kernel),
			strides: ints(draw(1, 3)),
			pads: ints([...pads, ...pads]),
			ceil_mode: int(random.integer(2)),
			count_include_pad: int(random.integer(2)),
		};
		const input = normalTensor(random, [3, 2, ...draw(5, 9)]);
		const errors = await gradientErrors({ input }, pool(settings), { random, step: 0.5, batched: ["input"] });
		t.true(errors.first < 1e-4, `first: ${errors.first}`);
		t.true(errors.second < 1e-4, `second: ${errors.second}`);
	});
}

test("AveragePool without a kernel_shape is refused", (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", ["B", 3, 8, 8]);
	t.throws(() => g.add("AveragePool", [x]), { instanceOf: ShapeError, code: "PSGL_SHAPE_MISMATCH" });
});
