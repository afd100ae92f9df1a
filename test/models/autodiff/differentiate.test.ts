import { attributes, differentiate, type GraphBuilder, type Value } from "@psgl/models";
import { ArtifactError, ShapeError, seededRandom, type Tensor } from "@psgl/sdk";
import test from "ava";
import { numbers } from "../../helpers/numbers.js";
import { gradientErrors, normalTensor } from "../../helpers/operator-gradients.js";
import { compileGraph, runGraph } from "../../helpers/run-graph.js";

const { int } = attributes;

const vector = (...values: number[]): Tensor<"float32"> => ({
	dtype: "float32",
	dims: [values.length],
	data: Float32Array.from(values),
});

const sum = (g: GraphBuilder, x: Value) => g.add("ReduceSum", [x], { keepdims: int(0) });

/** d(sum of f)/dx at `at`; empty where f does not depend on x. */
async function derivative(
	f: (g: GraphBuilder, x: Value) => Value,
	at: readonly number[],
	constants: (g: GraphBuilder, x: Value) => readonly Value[] = () => [],
): Promise<readonly number[]> {
	const out = await runGraph(
		(g) => {
			const x = g.input("x", "float32", [at.length]);
			const loss = sum(g, f(g, x));
			const [gradient] = differentiate(g, [{ value: loss }], [x], constants(g, x));
			g.output("loss", loss);
			if (gradient !== undefined) g.output("gradient", gradient);
		},
		{ x: vector(...at) },
	);
	return numbers(out.gradient);
}

test("gradients of several uses of a value add up", async (t) => {
	// x^2 + 3x + x, by four uses of x.
	const f = (g: GraphBuilder, x: Value) =>
		g.add("Add", [g.add("Add", [g.add("Mul", [x, x]), g.add("Mul", [x, g.scalar(3)])]), x]);
	t.deepEqual(await derivative(f, [1, -2, 0.5]), [6, 0, 5]);
});

test("what branches and comes together again is counted once per path", async (t) => {
	const f = (g: GraphBuilder, x: Value) => {
		const square = g.add("Mul", [x, x]);
		return g.add("Add", [g.add("Mul", [square, square]), g.add("Neg", [square])]);
	};
	// x^4 - x^2
	t.deepEqual(await derivative(f, [2, -1]), [28, -2]);
});

test("no gradient flows through what counts as constant", async (t) => {
	const stopped: Value[] = [];
	const f = (g: GraphBuilder, x: Value) => {
		const held = g.add("Mul", [x, x]);
		stopped.splice(0, 1, held);
		return g.add("Mul", [held, x]);
	};
	t.deepEqual(await derivative(f, [2, 3]), [12, 27]);
	t.deepEqual(await derivative(f, [2, 3], () => stopped), [4, 9]);
});

test("several seeds with gradients of their own", async (t) => {
	const out = await runGraph(
		(g) => {
			const x = g.input("x", "float32", [2]);
			const seeds = [
				{ value: g.add("Mul", [x, x]), gradient: g.floats([1, 10]) },
				{ value: sum(g, x) },
				{ value: x, gradient: g.floats([0, 100]) },
			];
			g.output("gradient", differentiate(g, seeds, [x])[0] as Value);
		},
		{ x: vector(3, 4) },
	);
	t.deepEqual(numbers(out.gradient), [7, 181]);
});

test("what a loss does not depend on has no gradient", async (t) => {
	const session = await compileGraph((g) => {
		const x = g.input("x", "float32", [2]);
		const other = g.input("other", "float32", [2]);
		const [toX, toOther] = differentiate(g, [{ value: sum(g, g.add("Exp", [x])) }], [x, other]);
		t.not(toX, undefined);
		t.is(toOther, undefined);
		g.output("toX", toX as Value);
	});
	await session.close();
});

test("a node without a derivative is named, unless nothing needs it", async (t) => {
	// Pad has none with respect to the value it fills in.
	const padded = (g: GraphBuilder, x: Value, fill: Value) =>
		g.addMany("Pad", [x, g.ints([1, 0]), fill], 1, {}, "frame")[0] as Value;
	const error = await t.throwsAsync(
		derivative((g, x) => padded(g, x, sum(g, x)), [2, 3]),
		{ instanceOf: ArtifactError },
	);
	t.is(error?.code, "PSGL_OPERATOR_NO_GRADIENT");
	t.regex(error?.message ?? "", /frame \(Pad\)/);
	const beside = (g: GraphBuilder, x: Value) => padded(g, x, sum(g, g.floats([2, 5])));
	t.deepEqual(await derivative(beside, [3, 4]), [1, 1]);
});

test("a seed that is no scalar needs a gradient, and one of its own rank", async (t) => {
	const seedOf = (g: GraphBuilder, gradient?: Value) => {
		const x = g.input("x", "float32", ["B", 2]);
		const value = g.add("Exp", [x]);
		return differentiate(g, [gradient === undefined ? { value } : { value, gradient }], [x]);
	};
	const without = await t.throwsAsync(
		compileGraph((g) => void seedOf(g)),
		{ instanceOf: ShapeError },
	);
	t.is(without?.code, "PSGL_GRADIENT_SEED");
	t.is(without?.got, "[B,2]");
	const flat = await t.throwsAsync(
		compileGraph((g) => void seedOf(g, g.floats([1, 2]))),
		{ instanceOf: ShapeError },
	);
	t.is(flat?.code, "PSGL_GRADIENT_SHAPE");
	t.is(flat?.expected, "[B,2]");
});

test("second derivatives by differentiating twice", async (t) => {
	const out = await runGraph(
		(g) => {
			const x = g.input("x", "float32", [3]);
			// x^3 + exp(2x): second derivative 6x + 4 exp(2x).
			const cube = g.add("Mul", [g.add("Mul", [x, x]), x]);
			const y = g.add("Add", [cube, g.add("Exp", [g.add("Mul", [x, g.scalar(2)])])]);
			const [first] = differentiate(g, [{ value: sum(g, y) }], [x]);
			const [second] = differentiate(g, [{ value: sum(g, first as Value) }], [x]);
			const [third] = differentiate(g, [{ value: sum(g, second as Value) }], [x]);
			g.output("second", second as Value);
			g.output("third", third as Value);
		},
		{ x: vector(0, 1, -0.5) },
	);
	const close = (got: readonly number[], expected: readonly number[]) =>
		got.every((v, i) => Math.abs(v - (expected[i] as number)) < 1e-4 * Math.abs(expected[i] as number));
	const e = Math.exp;
	t.true(close(numbers(out.second), [4, 6 + 4 * e(2), -3 + 4 * e(-1)]));
	t.true(close(numbers(out.third), [14, 6 + 8 * e(2), 6 + 8 * e(-1)]));
});

test("first and second derivatives of a small network agree with finite differences", async (t) => {
	const random = seededRandom(4);
	const inputs = {
		x: normalTensor(random, [3, 2, 4]),
		filters: normalTensor(random, [3, 2, 3]),
		weights: normalTensor(random, [12, 2]),
		bias: normalTensor(random, [2]),
	};
	const build = (g: GraphBuilder, v: Readonly<Record<string, Value>>) => {
		const { x, filters, weights, bias } = v as Record<"x" | "filters" | "weights" | "bias", Value>;
		const features = g.add("Conv", [x, filters], { pads: attributes.ints([1, 1]) });
		const hidden = g.add("Tanh", [g.add("Mul", [features, g.scalar(0.3)])]);
		const logits = g.add("Gemm", [g.add("Flatten", [hidden], { axis: int(1) }), weights, bias]);
		return g.add("LogSoftmax", [logits], { axis: int(1) });
	};
	const errors = await gradientErrors(inputs, build, { random, step: 1e-2 });
	t.true(errors.first < 2e-3, `first off by ${errors.first}`);
	t.true(errors.second < 2e-3, `second off by ${errors.second}`);
});
