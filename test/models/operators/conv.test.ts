import { attributes, GraphBuilder } from "@psgl/models";
import { type Random, ShapeError, seededRandom } from "@psgl/sdk";
import test from "ava";
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
