import { attributes, GraphBuilder } from "@psgl/models";
import { ArtifactError, type Random, seededRandom, type Tensor, tensor } from "@psgl/sdk";
import test from "ava";
import { goldenVectors, relativeError } from "../../helpers/golden.js";
import { type BuildOperator, compileWithGradients, gradientErrors } from "../../helpers/operator-gradients.js";
import { withShared } from "../../helpers/shared.js";

const { int, ints } = attributes;

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

const between = (random: Random, low: number, high: number) => low + random.integer(high - low + 1);

for (let seed = 0; seed < 16; seed++) {
	test(`MaxPool's first and second derivatives agree with finite differences, drawn shape ${seed}`, async (t) => {
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
		};
		const dims = [3, 2, ...draw(5, 9)];
		// Pixels at least one apart from each other, so that a step of 0.05 along a normal direction changes no order.
		const count = dims.reduce((a, b) => a * b, 1);
		const input = tensor("float32", dims, Float32Array.from(random.permutation(count)));
		const errors = await gradientErrors({ input }, pool(settings), { random, step: 0.05, batched: ["input"] });
		t.true(errors.first < 1e-3, `first: ${errors.first}`);
		t.true(errors.second < 1e-3, `second: ${errors.second}`);
	});
}

test("MaxPool with indices is refused", (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", ["B", 3, 8, 8]);
	t.throws(() => g.addMany("MaxPool", [x], 2, halving), { instanceOf: ArtifactError, code: "PSGL_POOL_INDICES" });
});
