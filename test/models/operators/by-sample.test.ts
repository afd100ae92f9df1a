import { attributes } from "@psgl/models";
import { seededRandom, tensor } from "@psgl/sdk";
import test from "ava";
import { largestDifference } from "../../helpers/largest-difference.js";
import {
	type BuildOperator,
	compileWithGradients,
	gradientErrors,
	type Inputs,
	normalTensor,
} from "../../helpers/operator-gradients.js";

const { int, ints } = attributes;

const convolution: BuildOperator = (g, { input, weight }) =>
	g.add("Conv", [input, weight], { pads: ints([1, 1, 1, 1]) });

const strided: BuildOperator = (g, { input, weight }) =>
	g.add("Conv", [input, weight], { strides: ints([2, 2]), pads: ints([3, 3, 3, 3]) });

const depthwise: BuildOperator = (g, { input, weight }) =>
	g.add("Conv", [input, weight], { group: int(6), pads: ints([1, 1, 1, 1]) });

const convolutions: Readonly<Record<string, readonly [BuildOperator, readonly number[], readonly number[]]>> = {
	"3x3 over 13 channels": [convolution, [2, 13, 30, 30], [2, 13, 3, 3]],
	"7x7 by steps of two over 3 channels": [strided, [2, 3, 60, 60], [2, 3, 7, 7]],
	"3x3 in 6 groups": [depthwise, [2, 6, 44, 44], [6, 1, 3, 3]],
};

for (const [name, [build, input, weight]] of Object.entries(convolutions)) {
	test(`kernel gradient sample by sample, ${name}: derivatives agree with finite differences`, async (t) => {
		const random = seededRandom(5);
		const inputs: Inputs = { input: normalTensor(random, input), weight: normalTensor(random, weight) };
		const errors = await gradientErrors(inputs, build, { random, step: 0.5, batched: ["input"] });
		t.true(errors.first < 1e-4, `first: ${errors.first}`);
		t.true(errors.second < 1e-4, `second: ${errors.second}`);
	});
}

const halved: BuildOperator = (g, { input }) =>
	g.add("MaxPool", [input], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) });

test("a maximum sample by sample, with ties and a row and a column that no window covers: the first of the largest takes the gradient", async (t) => {
	const [samples, channels, extent] = [3, 8, 65];
	const random = seededRandom(6);
	const values = Float32Array.from({ length: samples * channels * extent * extent }, () => random.integer(3));
	const input = tensor("float32", [samples, channels, extent, extent], values);
	const places = (extent - 1) / 2;
	const gout = normalTensor(random, [samples, channels, places, places]);
	const expected = new Float32Array(values.length);
	gout.data.forEach((gradient, i) => {
		const [plane, row, column] = [Math.floor(i / places ** 2), Math.floor(i / places) % places, i % places];
		const first = (plane * extent + 2 * row) * extent + 2 * column;
		const tile = [first, first + 1, first + extent, first + extent + 1];
		const largest = Math.max(...tile.map((at) => values[at] as number));
		expected[tile.find((at) => values[at] === largest) as number] = gradient;
	});
	await using session = await compileWithGradients({ input }, halved, { batched: ["input"] });
	const results = await session.run({ input, gout });
	t.is(largestDifference(results["g.input"], tensor("float32", input.dims, expected)), 0);
});

test("a maximum sample by sample: derivatives agree with finite differences", async (t) => {
	const random = seededRandom(7);
	const dims = [2, 8, 64, 64];
	// Pixels at least one apart from each other, so that a small step changes no order.
	const input = tensor("float32", dims, Float32Array.from(random.permutation(2 * 8 * 64 * 64)));
	const errors = await gradientErrors({ input }, halved, { random, step: 0.05, batched: ["input"] });
	t.true(errors.first < 1e-2, `first: ${errors.first}`);
	t.true(errors.second < 1e-4, `second: ${errors.second}`);
});
