import { attributes, batchNormalisation, GraphBuilder, type Value } from "@psgl/models";
import { ShapeError, seededRandom, type Tensor, tensor } from "@psgl/sdk";
import test from "ava";
import { goldenVectors, relativeError } from "../../helpers/golden.js";
import {
	type BuildOperator,
	compileWithGradients,
	gradientErrors,
	normalTensor,
} from "../../helpers/operator-gradients.js";
import { runGraph } from "../../helpers/run-graph.js";
import { withShared } from "../../helpers/shared.js";

const { float, int } = attributes;

const evaluation: BuildOperator = (g, { input, scale, bias, mean, variance }) =>
	g.add("BatchNormalization", [input, scale, bias, mean, variance]);

/**
 * The result in training mode, or one of its running statistics. ONNX Runtime overwrites the mean and variance it is
 * given, so it gets copies.
 */
const training =
	(output: 0 | 1 | 2, momentum: number): BuildOperator =>
	(g, { input, scale, bias, mean, variance }) => {
		const copies = [mean, variance].map((value) => g.add("Add", [value, g.scalar(1e-9)]));
		const settings = { training_mode: int(1), momentum: float(momentum) };
		return g.addMany("BatchNormalization", [input, scale, bias, ...copies], 3, settings)[output] as Value;
	};

withShared("training gives PyTorch's output, gradients and running statistics", async (t) => {
	const vector = await goldenVectors("op_batchnorm_train");
	const [input, gout, out] = [vector("in_input"), vector("in_gout"), vector("out")];
	const [epsilon, momentum] = vector("attr_eps_momentum").data as unknown as [number, number];
	const inputs = {
		input,
		scale: vector("w_weight"),
		bias: vector("w_bias"),
		mean: vector("w_running_mean_before"),
		variance: vector("w_running_var_before"),
	};
	const build: BuildOperator = (g, values) => {
		const { input: x, scale, bias, mean, variance } = values as Record<keyof typeof inputs, Value>;
		const result = batchNormalisation(g, x, { scale, bias, mean, variance }, { training: true, epsilon, momentum });
		g.output("nextMean", result.nextMean);
		g.output("nextVariance", result.nextVariance);
		return result.y;
	};
	await using session = await compileWithGradients(inputs, build, { batched: ["input"] });
	const results = await session.run({ ...inputs, gout });
	const expected = {
		out,
		nextMean: vector("out_running_mean"),
		nextVariance: vector("out_running_var"),
		"g.input": vector("g_input"),
		"g.scale": vector("g_weight"),
		"g.bias": vector("g_bias"),
	};
	for (const [key, value] of Object.entries(expected)) {
		const error = relativeError(results[key] as Tensor, value);
		t.true(error < 1e-5, `${key}: ${error}`);
	}
});

withShared("evaluation gives PyTorch's input gradient", async (t) => {
	const vector = await goldenVectors("op_batchnorm_eval");
	const settings = JSON.parse(vector.text("attr_json")) as {
		eps: number;
		running_mean: number[];
		running_var: number[];
	};
	const [input, gout, out] = [vector("in_input"), vector("in_gout"), vector("out")];
	const channels = settings.running_mean.length;
	// The vectors do not hold scale and bias: the gradients of y = scale n + bias do not depend on the bias, and the
	// scale follows from two pixels of each channel.
	const pixels = out.data.length / channels / (out.dims[0] as number);
	const per = (c: number, i: number) =>
		[input.data[c * pixels + i] as number, out.data[c * pixels + i] as number] as const;
	const scale = new Float32Array(channels);
	const bias = new Float32Array(channels);
	for (let c = 0; c < channels; c++) {
		const all = Array.from({ length: pixels }, (_, i) => per(c, i)).sort((a, b) => a[0] - b[0]);
		const [low, high] = [all[0], all.at(-1)] as [readonly [number, number], readonly [number, number]];
		const slope = (high[1] - low[1]) / (high[0] - low[0]);
		scale[c] = slope * Math.sqrt((settings.running_var[c] as number) + settings.eps);
		bias[c] = low[1] - slope * (low[0] - (settings.running_mean[c] as number));
	}
	const vectorOf = (values: Iterable<number>) => tensor("float32", [channels], Float32Array.from(values));
	const inputs = {
		input,
		scale: vectorOf(scale),
		bias: vectorOf(bias),
		mean: vectorOf(settings.running_mean),
		variance: vectorOf(settings.running_var),
	};
	await using session = await compileWithGradients(inputs, evaluation, { batched: ["input"] });
	const results = await session.run({ ...inputs, gout });
	for (const [key, value] of Object.entries({
		out,
		"g.input": vector("g_input"),
		"g.scale": vector("g_weight"),
		"g.bias": vector("g_bias"),
	})) {
		const error = relativeError(results[key] as Tensor, value);
		t.true(error < 1e-5, `${key}: ${error}`);
	}
});

const positive = (t: Tensor<"float32">) =>
	tensor(
		"float32",
		t.dims,
		t.data.map((v) => 0.5 + Math.abs(v)),
	);

const forms: Readonly<Record<string, BuildOperator>> = {
	evaluation,
	"training, result, momentum 0": training(0, 0),
	"training, result, momentum 0.9": training(0, 0.9),
	"training, running mean": training(1, 0.7),
	"training, running variance": training(2, 0.7),
	"training, variance of the batch": training(2, 0),
};

for (const [name, build] of Object.entries(forms)) {
	for (const spatial of [[], [6], [4, 5]]) {
		test(`BatchNormalization's derivatives agree with finite differences: ${name}, ${2 + spatial.length} axes`, async (t) => {
			const random = seededRandom(3);
			const channels = 3;
			const inputs = {
				input: normalTensor(random, [5, channels, ...spatial]),
				scale: normalTensor(random, [channels]),
				bias: normalTensor(random, [channels]),
				mean: normalTensor(random, [channels]),
				variance: positive(normalTensor(random, [channels])),
			};
			const batched = name.includes("running") || name.includes("variance") ? [] : ["input"];
			const errors = await gradientErrors(inputs, build, { random, step: 1e-2, batched });
			t.true(errors.first < 3e-3, `first: ${errors.first}`);
			t.true(errors.second < 3e-3, `second: ${errors.second}`);
		});
	}
}

test("running statistics stay where they are in evaluation", async (t) => {
	const random = seededRandom(4);
	const x = normalTensor(random, [2, 3, 4]);
	const [scale, bias, mean] = [1, 2, 3].map(() => normalTensor(random, [3])) as [Tensor, Tensor, Tensor];
	const variance = positive(normalTensor(random, [3]));
	const results = await runGraph(
		(g) => {
			const vector = (name: string) => g.input(name, "float32", [3]);
			const parameters = {
				scale: vector("scale"),
				bias: vector("bias"),
				mean: vector("mean"),
				variance: vector("variance"),
			};
			const input = g.input("x", "float32", ["B", 3, 4]);
			const result = batchNormalisation(g, input, parameters, { training: false });
			g.output("y", result.y);
			g.output("nextMean", result.nextMean);
			g.output("nextVariance", result.nextVariance);
		},
		{ x, scale, bias, mean, variance },
	);
	t.deepEqual(results.nextMean?.data, mean.data);
	t.deepEqual(results.nextVariance?.data, variance.data);
});

test("two normalisations with the same running statistics neither overwrite them nor each other", async (t) => {
	const random = seededRandom(5);
	const [x, other] = [1, 2].map(() => normalTensor(random, [4, 2, 3])) as [Tensor, Tensor];
	const ones = () => tensor("float32", [2], Float32Array.of(1, 1));
	const feeds = { x, other, scale: ones(), bias: ones(), mean: ones(), variance: ones() };
	const build = (names: readonly ("x" | "other")[]) => (g: GraphBuilder) => {
		const vector = (name: string) => g.input(name, "float32", [2]);
		const parameters = {
			scale: vector("scale"),
			bias: vector("bias"),
			mean: vector("mean"),
			variance: vector("variance"),
		};
		for (const name of names) {
			const result = batchNormalisation(g, g.input(name, "float32", ["B", 2, 3]), parameters, { training: true });
			g.output(`${name}.mean`, result.nextMean);
			g.output(`${name}.variance`, result.nextVariance);
		}
	};
	const together = await runGraph(build(["x", "other"]), feeds);
	t.deepEqual(feeds.mean.data, ones().data);
	t.deepEqual(feeds.variance.data, ones().data);
	t.deepEqual(together, { ...(await runGraph(build(["x"]), feeds)), ...(await runGraph(build(["other"]), feeds)) });
});

test("BatchNormalization names the shapes that do not fit", (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", ["B", 3, 8, 8]);
	const v = g.input("v", "float32", [4]);
	t.throws(() => g.add("BatchNormalization", [x, v, v, v, v]), { instanceOf: ShapeError, code: "PSGL_SHAPE_MISMATCH" });
});
