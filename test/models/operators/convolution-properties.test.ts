import { attributes, GraphBuilder } from "@psgl/models";
import { type Random, ShapeError } from "@psgl/sdk";
import test from "ava";
import fc from "fast-check";
import { type GradientPropertyOptions, gradientProperty } from "../../helpers/gradient-property.js";
import { type BuildOperator, type Inputs, normalTensor } from "../../helpers/operator-gradients.js";

const { int, ints, string } = attributes;

/** One number for each of up to three spatial axes. */
const perAxis = (min: number, max: number) => fc.array(fc.integer({ min, max }), { minLength: 3, maxLength: 3 });

const drawn = fc.record({
	axes: fc.integer({ min: 1, max: 3 }),
	batch: fc.integer({ min: 1, max: 3 }),
	groups: fc.integer({ min: 1, max: 4 }),
	inPerGroup: fc.integer({ min: 1, max: 3 }),
	outPerGroup: fc.integer({ min: 1, max: 3 }),
	kernel: perAxis(1, 3),
	strides: perAxis(1, 3),
	dilations: perAxis(1, 3),
	padsBegin: perAxis(0, 2),
	padsEnd: perAxis(0, 2),
	extra: perAxis(0, 4),
	autoPad: fc.constantFrom("NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"),
	bias: fc.boolean(),
});

type Drawn = typeof drawn extends fc.Arbitrary<infer T> ? T : never;

function operands(random: Random, input: readonly number[], weight: readonly number[], bias?: number): Inputs {
	const given = { input: normalTensor(random, input), weight: normalTensor(random, weight) };
	return bias === undefined ? given : { ...given, bias: normalTensor(random, [bias]) };
}

const operator =
	(type: string, settings: attributes.Attributes): BuildOperator =>
	(g, { input, weight, bias }) =>
		g.add(type, [input, weight, bias], settings);

/** Linear in each input: large steps lose nothing. */
const linear: GradientPropertyOptions = { runs: 40, step: 0.5, tolerance: 1e-4 };

test("Conv: drawn kernels, strides, dilations, pads, groups, one to three axes", async (t) => {
	await gradientProperty(
		drawn,
		(d, random) => {
			const take = (values: readonly number[]) => values.slice(0, d.axes);
			// ONNX Runtime has no auto_pad SAME together with dilations.
			const dilations = take(d.dilations).map((v) => (d.autoPad.startsWith("SAME") ? 1 : v));
			const kernel = take(d.kernel);
			const image = kernel.map((k, i) => (k - 1) * (dilations[i] as number) + 1 + (d.extra[i] as number));
			const settings = {
				group: int(d.groups),
				strides: ints(take(d.strides)),
				dilations: ints(dilations),
				...(d.autoPad === "NOTSET"
					? { pads: ints([...take(d.padsBegin), ...take(d.padsEnd)]) }
					: { auto_pad: string(d.autoPad) }),
			};
			const filters = d.groups * d.outPerGroup;
			const inputs = operands(
				random,
				[d.batch, d.groups * d.inPerGroup, ...image],
				[filters, d.inPerGroup, ...kernel],
				d.bias ? filters : undefined,
			);
			return { inputs, build: operator("Conv", settings), batched: ["input"] };
		},
		linear,
	);
	t.pass();
});

test("depthwise Conv with several filters for each channel", async (t) => {
	await gradientProperty(
		fc.record({
			channels: fc.integer({ min: 2, max: 6 }),
			multiplier: fc.integer({ min: 1, max: 3 }),
			stride: perAxis(1, 2),
		}),
		({ channels, multiplier, stride }, random) => {
			const settings = { group: int(channels), strides: ints(stride.slice(0, 2)), pads: ints([1, 1, 1, 1]) };
			const filters = channels * multiplier;
			const inputs = operands(random, [2, channels, 6, 5], [filters, 1, 3, 3], filters);
			return { inputs, build: operator("Conv", settings), batched: ["input"] };
		},
		{ ...linear, runs: 8 },
	);
	t.pass();
});

/** ConvTranspose's attributes and input for a drawn instance. */
function transposed(d: Drawn, random: Random, useShape: boolean): { inputs: Inputs; settings: attributes.Attributes } {
	const take = (values: readonly number[]) => values.slice(0, d.axes);
	const [kernel, strides] = [take(d.kernel), take(d.strides)];
	const same = d.autoPad.startsWith("SAME");
	const dilations = take(d.dilations).map((v) => (same ? 1 : v));
	const reach = kernel.map((k, i) => (k - 1) * (dilations[i] as number) + 1);
	const places = take(d.extra).map((e) => e + 2);
	const outputPadding = strides.map((s, i) => Math.min(d.padsEnd[i] as number, s - 1));
	// What the window covers with these pads left out, and a result of that or smaller.
	const full = places.map(
		(p, i) => (p - 1) * (strides[i] as number) + (reach[i] as number) + (outputPadding[i] as number),
	);
	const outputShape = full.map((f, i) => Math.max(1, f - (d.padsBegin[i] as number)));
	const explicit = {
		pads: ints(
			[...take(d.padsBegin), ...take(d.padsEnd)].map((p, i) => Math.min(p, (reach[i % d.axes] as number) - 1)),
		),
	};
	const settings: attributes.Attributes = {
		group: int(d.groups),
		strides: ints(strides),
		dilations: ints(dilations),
		output_padding: ints(outputPadding),
		...(useShape ? { output_shape: ints(outputShape) } : {}),
		...(d.autoPad === "NOTSET" ? (useShape ? {} : explicit) : { auto_pad: string(d.autoPad) }),
	};
	const filters = d.groups * d.outPerGroup;
	const inputs = operands(
		random,
		[d.batch, d.groups * d.inPerGroup, ...places],
		[d.groups * d.inPerGroup, d.outPerGroup, ...kernel],
		d.bias ? filters : undefined,
	);
	return { inputs, settings };
}

for (const useShape of [false, true]) {
	const name = useShape ? "drawn output_shape" : "drawn output_padding and pads";
	test(`ConvTranspose: ${name}, auto_pad, strides, dilations, groups, one to three axes`, async (t) => {
		await gradientProperty(
			drawn,
			(d, random) => {
				const { inputs, settings } = transposed(d, random, useShape);
				return { inputs, build: operator("ConvTranspose", settings), batched: ["input"] };
			},
			linear,
		);
		t.pass();
	});
}

test("Conv and ConvTranspose name the node and the shapes that do not fit", (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", ["B", 4, 8, 8]);
	const of = (...dims: number[]) => g.input(`w${dims.join("x")}`, "float32", dims);
	const misfits: readonly (() => unknown)[] = [
		() => g.add("Conv", [x, of(4, 3, 3, 3)]),
		() => g.add("Conv", [x, of(3, 2, 3, 3)], { group: int(2) }),
		() => g.add("Conv", [x, of(4, 4, 3)]),
		() => g.add("Conv", [x, of(4, 4, 3, 3)], { kernel_shape: ints([3, 2]) }),
		() => g.add("ConvTranspose", [x, of(3, 4, 3, 3)]),
		() => g.add("ConvTranspose", [x, of(4, 4, 2, 2)], { output_padding: ints([1, 0]) }),
		() => g.add("ConvTranspose", [x, of(4, 4, 2, 3)], { output_shape: ints([9, 11]) }),
		() => g.add("ConvTranspose", [x, of(4, 4, 1, 1)], { pads: ints([4, 0, 4, 0]) }),
	];
	for (const misfit of misfits) {
		const error = t.throws(misfit as () => void, { instanceOf: ShapeError, code: "PSGL_SHAPE_MISMATCH" });
		t.regex(error?.message ?? "", /node Conv(Transpose)?_\d+ .*\[B,4,8,8\] and \[[\d,]+\]/s);
	}
});
