import { attributes, GraphBuilder } from "@psgl/models";
import { type Random, ShapeError, seededRandom } from "@psgl/sdk";
import test from "ava";
import { checkGoldenConvolution } from "../../helpers/golden-convolution.js";
import { type BuildOperator, gradientErrors, normalTensor } from "../../helpers/operator-gradients.js";
import { withShared } from "../../helpers/shared.js";

const { int, ints, string } = attributes;

const convolveBack =
	(settings: attributes.Attributes): BuildOperator =>
	(g, { input, weight, bias }) =>
		g.add("ConvTranspose", [input, weight, bias], settings);

const golden: Readonly<Record<string, attributes.Attributes>> = {
	op_convtranspose: {},
	op_convtranspose_s2_p1_op1: { strides: ints([2, 2]), pads: ints([1, 1, 1, 1]), output_padding: ints([1, 1]) },
	op_convtranspose_dil2: { dilations: ints([2, 2]), pads: ints([1, 1, 1, 1]) },
};

for (const [name, settings] of Object.entries(golden)) {
	withShared(`ConvTranspose gives PyTorch's output and gradients: ${name}`, (t) =>
		checkGoldenConvolution(t, name, convolveBack(settings), 1),
	);
}

const between = (random: Random, low: number, high: number) => low + random.integer(high - low + 1);

for (let seed = 0; seed < 16; seed++) {
	test(`ConvTranspose's first and second derivatives agree with finite differences, drawn shape ${seed}`, async (t) => {
		const random = seededRandom(seed);
		const axes = 1 + (seed % 2);
		const draw = (low: number, high: number) => Array.from({ length: axes }, () => between(random, low, high));
		const groups = [1, 1, 2, 3][seed % 4] as number;
		const [channels, perGroup] = [groups * between(random, 1, 2), between(random, 1, 3)];
		const strides = draw(1, 3);
		const same = random.integer(4) === 0;
		const kernel = draw(same ? 3 : 2, 3);
		const settings: attributes.Attributes = same
			? { group: int(groups), strides: ints(strides), auto_pad: string("SAME_UPPER") }
			: {
					group: int(groups),
					strides: ints(strides),
					dilations: ints(draw(1, 2)),
					pads: ints([...draw(0, 1), ...draw(0, 1)]),
					output_padding: ints(strides.map((s) => between(random, 0, s - 1))),
				};
		const input = normalTensor(random, [3, channels, ...draw(3, 6)]);
		const weight = normalTensor(random, [channels, perGroup, ...kernel]);
		const inputs =
			random.integer(2) === 1 ? { input, weight, bias: normalTensor(random, [groups * perGroup]) } : { input, weight };
		const errors = await gradientErrors(inputs, convolveBack(settings), { random, step: 0.5, batched: ["input"] });
		t.true(errors.first < 1e-4, `first: ${errors.first}`);
		t.true(errors.second < 1e-4, `second: ${errors.second}`);
	});
}

test("ConvTranspose names the shapes that do not fit", (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", ["B", 3, 8, 8]);
	const wrongChannels = g.input("w", "float32", [4, 2, 3, 3]);
	t.throws(() => g.add("ConvTranspose", [x, wrongChannels]), { instanceOf: ShapeError, code: "PSGL_SHAPE_MISMATCH" });
});
