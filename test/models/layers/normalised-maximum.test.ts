import { attributes, batchNormalisation, differentiate, type GraphBuilder, type Value } from "@psgl/models";
import { seededRandom, type Tensor, tensor } from "@psgl/sdk";
import test from "ava";
import { relativeError } from "../../helpers/golden.js";
import { numbers } from "../../helpers/numbers.js";
import { gradientErrors, type Inputs, normalTensor } from "../../helpers/operator-gradients.js";
import { runGraph } from "../../helpers/run-graph.js";

const { ints } = attributes;

const tiles: attributes.Attributes = { kernel_shape: ints([2, 2]), strides: ints([2, 2]) };

/** Windows, and the extents they move over. */
const cases: Readonly<Record<string, readonly [attributes.Attributes, readonly number[]]>> = {
	"tiles that cover the image": [tiles, [6, 4]],
	"tiles that leave a row and a column out": [tiles, [7, 5]],
	"tiles of a large image": [tiles, [12, 90]],
	"windows that overlap": [{ kernel_shape: ints([3, 3]), strides: ints([2, 2]), pads: ints([1, 1, 1, 1]) }, [7, 6]],
	"a signal": [{ kernel_shape: ints([3]), strides: ints([3]) }, [20]],
};

const channels = 4;

/** Largest of the windows over x normalised by its batch: in one, and one after the other. */
function maximum(g: GraphBuilder, inputs: Readonly<Record<string, Value>>, windows: attributes.Attributes) {
	const { x, scale, bias, mean, variance } = inputs as Readonly<
		Record<"x" | "scale" | "bias" | "mean" | "variance", Value>
	>;
	const parameters = { scale, bias, mean, variance };
	const plain = batchNormalisation(g, x, parameters, { training: true });
	return {
		together: batchNormalisation(g, x, parameters, { training: true, windows }),
		apart: { ...plain, y: g.add("MaxPool", [plain.y], windows) },
	};
}

function drawn(dims: readonly number[], scale: readonly number[]): Record<string, Tensor<"float32">> {
	const random = seededRandom(3);
	const vector = (values: readonly number[]) => tensor("float32", [channels], Float32Array.from(values));
	return {
		x: normalTensor(random, dims),
		scale: vector(scale),
		bias: vector([0.3, -1, 0, 2]),
		mean: vector([1, 2, 3, 4]),
		variance: vector([1, 0.5, 2, 1]),
	};
}

async function both(windows: attributes.Attributes, inputs: Inputs) {
	const results = await runGraph((g) => {
		const values = Object.fromEntries(
			Object.entries(inputs).map(([name, { dims }]) => [
				name,
				g.input(name, "float32", name === "x" ? ["B", ...dims.slice(1)] : dims),
			]),
		);
		for (const [form, { y, nextMean, nextVariance }] of Object.entries(maximum(g, values, windows))) {
			// Not the same gradient everywhere.
			const gradient = g.add("Sin", [g.add("Mul", [y, g.scalar(7)])]);
			const wrt = [values.x, values.scale, values.bias] as Value[];
			const gradients = differentiate(g, [{ value: y, gradient }], wrt);
			for (const [i, value] of [y, nextMean, nextVariance, ...(gradients as Value[])].entries()) {
				g.output(`${form} ${i}`, value);
			}
		}
	}, inputs);
	const of = (form: string) => [0, 1, 2, 3, 4, 5].map((i) => results[`${form} ${i}`] as Tensor);
	return { together: of("together"), apart: of("apart") };
}

for (const [name, [windows, extents]] of Object.entries(cases)) {
	test(`${name}: values, gradients and running statistics are those of normalising first`, async (t) => {
		const inputs = drawn([3, channels, ...extents], [1.5, -0.7, 0.2, -2]);
		const { together, apart } = await both(windows, inputs);
		for (const [i, value] of together.entries()) t.true(relativeError(value, apart[i] as Tensor) < 1e-5, String(i));
		t.true(numbers(together[3] as Tensor).some((value) => value !== 0));
	});
}

test("values that tie give the gradient to the first of them", async (t) => {
	const random = seededRandom(4);
	const inputs = drawn([3, channels, 6, 6], [1.5, -0.7, 0.2, -2]);
	const x = tensor(
		"float32",
		[3, channels, 6, 6],
		Float32Array.from({ length: 432 }, () => random.integer(3)),
	);
	const { together, apart } = await both(tiles, { ...inputs, x });
	t.true(relativeError(together[3] as Tensor, apart[3] as Tensor) < 1e-5);
});

test("a scale of zero takes the gradient of one just above it, and hands none on", async (t) => {
	const at = async (scale: number) =>
		(await both(tiles, drawn([3, channels, 6, 6], new Array(channels).fill(scale)))).together;
	const [zero, above] = [await at(0), await at(1e-12)];
	t.true(numbers(zero[3] as Tensor).every((value) => value === 0));
	t.true(relativeError(zero[4] as Tensor, above[4] as Tensor) < 1e-5);
});

test("derivatives of the first and second order agree with finite differences", async (t) => {
	const random = seededRandom(5);
	const { mean, variance, ...rest } = drawn([3, channels, 4, 6], [1.5, -0.7, 0.9, -2]);
	// Pixels so far from each other that a small step changes no order.
	const x = tensor(
		"float32",
		[3, channels, 4, 6],
		Float32Array.from(random.permutation(3 * channels * 24), (v) => v / 10),
	);
	const build = (g: GraphBuilder, inputs: Readonly<Record<string, Value>>) => {
		const running = { mean: g.floats(numbers(mean as Tensor)), variance: g.floats(numbers(variance as Tensor)) };
		return maximum(g, { ...inputs, ...running }, tiles).together.y;
	};
	const errors = await gradientErrors({ ...rest, x }, build, { random, step: 0.01, batched: ["x"] });
	t.true(errors.first < 1e-3, `first: ${errors.first}`);
	t.true(errors.second < 1e-3, `second: ${errors.second}`);
});
