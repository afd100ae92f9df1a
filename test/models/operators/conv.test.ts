import { attributes, batchProducts, encodeModel, GraphBuilder } from "@psgl/models";
import { type Random, ShapeError, seededRandom, type Tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { relativeError } from "../../helpers/golden.js";
import { checkGoldenConvolution } from "../../helpers/golden-convolution.js";
import { type BuildOperator, gradientErrors, normalTensor } from "../../helpers/operator-gradients.js";
import { withShared } from "../../helpers/shared.js";

const { int, ints, string } = attributes;

const convolve =
	(settings: attributes.Attributes): BuildOperator =>
	(g, { input, weight, bias }) =>
		g.add("Conv", [input, weight, bias], settings);

const golden: Readonly<Record<string, attributes.Attributes>> = {
	op_conv: {},
	op_conv_stride2_pad1: { strides: ints([2, 2]), pads: ints([1, 1, 1, 1]) },
	op_conv_groups2: { group: int(2), pads: ints([1, 1, 1, 1]) },
	op_conv_depthwise_s2: { group: int(4), strides: ints([2, 2]), pads: ints([1, 1, 1, 1]) },
	op_conv_1x1_s2: { strides: ints([2, 2]) },
	op_conv1d: { strides: ints([2]), pads: ints([2, 2]) },
};

for (const [name, settings] of Object.entries(golden)) {
	withShared(`Conv gives PyTorch's output and gradients: ${name}`, (t) =>
		checkGoldenConvolution(t, name, convolve(settings), 0),
	);
}

const between = (random: Random, low: number, high: number) => low + random.integer(high - low + 1);

for (let seed = 0; seed < 24; seed++) {
	test(`Conv's first and second derivatives agree with finite differences, drawn shape ${seed}`, async (t) => {
		const random = seededRandom(seed);
		const axes = 1 + (seed % 2);
		const draw = (low: number, high: number) => Array.from({ length: axes }, () => between(random, low, high));
		const groups = [1, 1, 2, 3][seed % 4] as number;
		// Without groups also many channels: the kernel's gradient goes another way there.
		const perGroup = seed % 8 < 2 ? between(random, 12, 14) : between(random, 1, 3);
		const filters = groups * between(random, 1, 3);
		const autoPad = ["NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"][random.integer(5)] as string;
		const settings: attributes.Attributes = {
			group: int(groups),
			strides: ints(draw(1, 3)),
			dilations: ints(draw(1, autoPad.startsWith("SAME") ? 1 : 2)),
			...(autoPad === "NOTSET" ? { pads: ints([...draw(0, 2), ...draw(0, 2)]) } : { auto_pad: string(autoPad) }),
		};
		const input = normalTensor(random, [3, groups * perGroup, ...draw(6, 10)]);
		const weight = normalTensor(random, [filters, perGroup, ...draw(1, 3)]);
		const withBias = random.integer(2) === 1;
		const inputs = withBias ? { input, weight, bias: normalTensor(random, [filters]) } : { input, weight };
		const errors = await gradientErrors(inputs, convolve(settings), { random, step: 0.5, batched: ["input"] });
		t.true(errors.first < 1e-4, `first: ${errors.first}`);
		t.true(errors.second < 1e-4, `second: ${errors.second}`);
	});
}

/** Windows of few channels that move by equal steps: the kernel's gradient is taken with the pixels of a step as channels. */
const fewChannels: readonly {
	channels: number;
	image: readonly number[];
	kernel: readonly number[];
	settings: attributes.Attributes;
}[] = [
	{ channels: 3, image: [11, 12], kernel: [7, 7], settings: { pads: ints([3, 3, 3, 3]), strides: ints([2, 2]) } },
	{ channels: 3, image: [9, 8], kernel: [3, 2], settings: { pads: ints([0, 1, 1, 0]), strides: ints([2, 2]) } },
	{ channels: 2, image: [13, 9], kernel: [1, 4], settings: { strides: ints([3, 3]) } },
	{ channels: 5, image: [10, 7], kernel: [3, 3], settings: { strides: ints([2, 2]), auto_pad: string("SAME_LOWER") } },
	{ channels: 11, image: [6, 6], kernel: [2, 2], settings: { strides: ints([4, 4]) } },
];

for (const { channels, image, kernel, settings } of fewChannels) {
	test(`Conv with few channels by steps: ${channels} channels, image ${image}, kernel ${kernel}`, async (t) => {
		const random = seededRandom(3);
		const inputs = {
			input: normalTensor(random, [3, channels, ...image]),
			weight: normalTensor(random, [4, channels, ...kernel]),
		};
		const errors = await gradientErrors(inputs, convolve(settings), { random, step: 0.5, batched: ["input"] });
		t.true(errors.first < 1e-4, `first: ${errors.first}`);
		t.true(errors.second < 1e-4, `second: ${errors.second}`);
	});
}

/** Windows with at most four places over many channels: derivatives are products over the batch there. */
const fewPlaces: readonly { image: readonly number[]; kernel: readonly number[]; settings: attributes.Attributes }[] = [
	{ image: [2, 2], kernel: [3, 3], settings: { pads: ints([1, 1, 1, 1]) } },
	{ image: [4, 3], kernel: [3, 3], settings: { pads: ints([1, 1, 1, 1]), strides: ints([2, 2]) } },
	{
		image: [6, 5],
		kernel: [2, 3],
		settings: { pads: ints([0, 2, 1, 0]), strides: ints([3, 2]), dilations: ints([2, 2]) },
	},
	{ image: [2, 2], kernel: [1, 1], settings: {} },
	{ image: [1, 1], kernel: [3, 3], settings: { pads: ints([1, 1, 1, 1]) } },
	{ image: [8], kernel: [3], settings: { strides: ints([2]), auto_pad: string("SAME_UPPER") } },
];

for (const { image, kernel, settings } of fewPlaces) {
	test(`Conv with few places: image ${image}, kernel ${kernel}`, async (t) => {
		const random = seededRandom(3);
		const inputs = {
			input: normalTensor(random, [3, 64, ...image]),
			weight: normalTensor(random, [66, 64, ...kernel]),
			bias: normalTensor(random, [66]),
		};
		const errors = await gradientErrors(inputs, convolve(settings), { random, step: 0.5, batched: ["input"] });
		t.true(errors.first < 1e-4, `first: ${errors.first}`);
		t.true(errors.second < 1e-4, `second: ${errors.second}`);

		const g = new GraphBuilder("test");
		const values = Object.entries(inputs).map(([name, { dims }]) =>
			g.input(name, "float32", name === "input" ? ["B", ...dims.slice(1)] : dims),
		);
		g.output("out", g.add("Conv", values, settings));
		const plain = g.build();
		const changed = batchProducts(plain);
		t.false(changed.nodes.some(({ type }) => type === "Conv"));
		const run = async (graph: typeof plain) => {
			await using session = await nodeRuntime.load(encodeModel(graph));
			return (await session.run(inputs)).out as Tensor;
		};
		const [expected, got] = [await run(plain), await run(changed)];
		t.deepEqual(got.dims, expected.dims);
		t.true(relativeError(got, expected) < 1e-5);
	});
}

test("batchProducts leaves groups, few channels and many places as they are", (t) => {
	const convolution = (channels: number, size: number, group: number) => {
		const g = new GraphBuilder("test");
		const x = g.input("x", "float32", ["B", channels, size, size]);
		const w = g.input("w", "float32", [channels, channels / group, 3, 3]);
		g.output("out", g.add("Conv", [x, w], { pads: ints([1, 1, 1, 1]), group: int(group) }));
		return batchProducts(g.build()).nodes.map(({ type }) => type);
	};
	for (const [channels, size, group] of [
		[128, 2, 2],
		[32, 2, 1],
		[64, 3, 1],
	] as const) {
		t.deepEqual(convolution(channels, size, group), ["Conv"]);
	}
});

for (const { dilation, pads } of [
	{ dilation: 1, pads: [1, 1, 1, 1] },
	{ dilation: 2, pads: [0, 1, 3, 2] },
	{ dilation: 1, pads: [3, 0, 0, 3] },
]) {
	test(`Conv's derivatives with stride 1 and few filters, dilation ${dilation}, pads ${pads.join()}`, async (t) => {
		const random = seededRandom(7);
		const inputs = { input: normalTensor(random, [2, 3, 7, 8]), weight: normalTensor(random, [2, 3, 3, 2]) };
		const build = convolve({ pads: ints(pads), dilations: ints([dilation, dilation]) });
		const errors = await gradientErrors(inputs, build, { random, step: 0.5, batched: ["input"] });
		t.true(errors.first < 1e-4, `first: ${errors.first}`);
		t.true(errors.second < 1e-4, `second: ${errors.second}`);
	});
}

test("Conv names the shapes that do not fit", (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", ["B", 3, 8, 8]);
	const wrongChannels = g.input("w", "float32", [4, 2, 3, 3]);
	const error = t.throws(() => g.add("Conv", [x, wrongChannels]), {
		instanceOf: ShapeError,
		code: "PSGL_SHAPE_MISMATCH",
	});
	t.regex(error?.message ?? "", /\[B,3,8,8\] and \[4,2,3,3\]/);
	const tooLarge = g.input("v", "float32", [4, 3, 9, 9]);
	t.throws(() => g.add("Conv", [x, tooLarge]), { instanceOf: ShapeError, code: "PSGL_WINDOW_TOO_LARGE" });
});
