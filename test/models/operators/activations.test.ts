import { attributes, GraphBuilder } from "@psgl/models";
import { type Random, ShapeError, tensor } from "@psgl/sdk";
import test from "ava";
import fc from "fast-check";
import { broadcastTo, gradientProperty, smallShape, smoothTensor } from "../../helpers/gradient-property.js";
import { importedOperator } from "../../helpers/imported-operator.js";
import { runGraph } from "../../helpers/run-graph.js";

const { float } = attributes;

interface Activation {
	/** Names of float attributes and the range they are drawn from. */
	readonly settings?: Readonly<Record<string, readonly [number, number]>>;
	/** Where the slope jumps. */
	readonly kinks: (settings: Readonly<Record<string, number>>) => readonly number[];
	/** The definition, in float64. */
	readonly value: (x: number, settings: Readonly<Record<string, number>>) => number;
}

const softplus = (x: number) => Math.log1p(Math.exp(-Math.abs(x))) + Math.max(x, 0);

const activations: Readonly<Record<string, Activation>> = {
	Celu: {
		settings: { alpha: [0.5, 2] },
		kinks: () => [0],
		value: (x, { alpha = 1 }) => Math.max(0, x) + Math.min(0, alpha * Math.expm1(x / alpha)),
	},
	Elu: {
		settings: { alpha: [0.2, 2] },
		kinks: () => [0],
		value: (x, { alpha = 1 }) => (x > 0 ? x : alpha * Math.expm1(x)),
	},
	HardSigmoid: {
		settings: { alpha: [0.1, 0.9], beta: [0.2, 0.8] },
		kinks: ({ alpha = 0.2, beta = 0.5 }) => [-beta / alpha, (1 - beta) / alpha],
		value: (x, { alpha = 0.2, beta = 0.5 }) => Math.min(1, Math.max(0, alpha * x + beta)),
	},
	HardSwish: { kinks: () => [-3, 3], value: (x) => x * Math.min(1, Math.max(0, x / 6 + 0.5)) },
	LeakyRelu: {
		settings: { alpha: [0.01, 0.9] },
		kinks: () => [0],
		value: (x, { alpha = 0.01 }) => (x > 0 ? x : alpha * x),
	},
	Selu: {
		settings: { alpha: [0.5, 2], gamma: [0.5, 2] },
		kinks: () => [0],
		value: (x, { alpha = 1.6732632, gamma = 1.050701 }) => gamma * (x > 0 ? x : alpha * Math.expm1(x)),
	},
	Softplus: { kinks: () => [], value: softplus },
	Softsign: { kinks: () => [0], value: (x) => x / (1 + Math.abs(x)) },
	ThresholdedRelu: {
		settings: { alpha: [-0.5, 1.5] },
		kinks: ({ alpha = 1 }) => [alpha],
		value: (x, { alpha = 1 }) => (x > alpha ? x : 0),
	},
};

for (const [type, { settings = {}, kinks, value }] of Object.entries(activations)) {
	const drawn = fc.record(
		Object.fromEntries(
			Object.entries(settings).map(([name, [min, max]]) => [name, fc.double({ min, max, noNaN: true })]),
		),
		{ requiredKeys: [] },
	) as fc.Arbitrary<Record<string, number>>;
	const floats = (chosen: Readonly<Record<string, number>>): attributes.Attributes =>
		Object.fromEntries(Object.entries(chosen).map(([name, number]) => [name, float(number)]));

	test(`${type}'s derivatives agree with finite differences`, async (t) => {
		await gradientProperty(
			fc.record({ dims: smallShape, chosen: drawn }),
			({ dims, chosen }, random) => ({
				inputs: { x: smoothTensor(random, dims, kinks(chosen)) },
				build: (g, { x }) => g.add(type, [x], floats(chosen)),
				batched: ["x"],
			}),
			{ runs: 8 },
		);
		t.pass();
	});

	test(`${type} gives its definition, far from zero and at its kinks too`, async (t) => {
		const chosen = Object.fromEntries(Object.entries(settings).map(([name, [min, max]]) => [name, (min + max) / 2]));
		for (const used of [{}, chosen]) {
			const points = Float32Array.from([...kinks(used), -90, -20, -4, -1.3, 0, 0.4, 2.5, 20, 90]);
			const x = { dtype: "float32" as const, dims: [points.length], data: points };
			const { y } = await runGraph((g) => g.output("y", g.add(type, [g.input("x", "float32", ["N"])], floats(used))), {
				x,
			});
			points.forEach((at, i) => {
				const [got, expected] = [Number(y?.data[i]), value(at, used)];
				t.true(Math.abs(got - expected) <= 1e-5 * Math.max(1, Math.abs(expected)), `${type}(${at}) = ${got}`);
			});
		}
	});
}

test("PRelu's derivatives in x and its slopes agree with finite differences", async (t) => {
	await gradientProperty(
		fc.record({ dims: smallShape, skip: fc.nat(4), ones: fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }) }),
		({ dims, skip, ones }, random: Random) => ({
			inputs: {
				x: smoothTensor(random, dims, [0]),
				slope: smoothTensor(random, broadcastTo(dims, Math.max(skip, 1), ones), []),
			},
			build: (g, { x, slope }) => g.add("PRelu", [x, slope]),
			batched: ["x"],
		}),
		{ runs: 16 },
	);
	t.pass();
});

test("PRelu refuses slopes that do not broadcast to its input, and names both shapes", (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", ["B", 3, 4]);
	for (const dims of [
		[2, 1],
		[1, 1, 1, 1],
		[3, 5],
	]) {
		const error = t.throws(() => g.add("PRelu", [x, g.input(`slope${dims.join()}`, "float32", dims)]), {
			instanceOf: ShapeError,
			code: "PSGL_SHAPE_MISMATCH",
		});
		t.regex(error?.message ?? "", /node PRelu_\d+/);
		t.true(error?.message.includes(`[B,3,4] and [${dims.join()}]`));
	}
});

for (const approximate of ["none", "tanh"]) {
	test(`Gelu read with approximate = ${approximate}: derivatives agree with finite differences`, async (t) => {
		await gradientProperty(
			smallShape,
			(dims, random) => ({
				inputs: { x: smoothTensor(random, dims, []) },
				build: importedOperator("Gelu", 20, ["x"], { attributes: { approximate: { s: approximate } } }),
				batched: ["x"],
			}),
			{ runs: 8 },
		);
		t.pass();
	});
}

test("Gelu by tanh is the approximation, not the error function", async (t) => {
	const x = tensor("float32", [3], Float32Array.of(-2, 0.5, 2));
	const build = importedOperator("Gelu", 20, ["x"], { attributes: { approximate: { s: "tanh" } } });
	const { y } = await runGraph((g) => g.output("y", build(g, { x: g.input("x", "float32", ["N"]) })), { x });
	x.data.forEach((v, i) => {
		const expected = 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)));
		t.true(Math.abs(Number(y?.data[i]) - expected) < 1e-6);
	});
});

test("Mish read from a file: its definition and its derivatives", async (t) => {
	const build = importedOperator("Mish", 18, ["x"]);
	const x = tensor("float32", [4], Float32Array.of(-30, -2, 0.5, 30));
	const { y } = await runGraph((g) => g.output("y", build(g, { x: g.input("x", "float32", ["N"]) })), { x });
	x.data.forEach((v, i) => {
		t.true(Math.abs(Number(y?.data[i]) - v * Math.tanh(softplus(v))) < 1e-5);
	});
	await gradientProperty(
		smallShape,
		(dims, random) => ({ inputs: { x: smoothTensor(random, dims, []) }, build, batched: ["x"] }),
		{ runs: 8 },
	);
});
