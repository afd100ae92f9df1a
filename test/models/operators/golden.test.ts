import { attributes, type GraphBuilder, type Value } from "@psgl/models";
import { type Tensor, tensor } from "@psgl/sdk";
import { goldenVectors, relativeError } from "../../helpers/golden.js";
import { importedOperator } from "../../helpers/imported-operator.js";
import { compileWithGradients } from "../../helpers/operator-gradients.js";
import { withShared } from "../../helpers/shared.js";

const { float, int, ints, string } = attributes;

interface Case {
	/** Names of the inputs in the file, in the operator's order. Default `input`. */
	readonly inputs?: readonly string[];
	readonly build: (g: GraphBuilder, inputs: readonly Value[]) => Value;
	/** Whether the first axis is a batch of unknown size. Default true. */
	readonly batched?: boolean;
}

const operator =
	(type: string, settings: attributes.Attributes = {}) =>
	(g: GraphBuilder, inputs: readonly Value[]) =>
		g.add(type, inputs, settings);

const pair = ["a", "b"];

/** `op_NAME.npz` and the graph that reproduces it. */
const cases: Readonly<Record<string, Case>> = {
	abs: { build: operator("Abs") },
	add_broadcast: { inputs: pair, build: operator("Add"), batched: false },
	clip: { build: (g, [x]) => g.add("Clip", [x, g.scalar(-1), g.scalar(1)]) },
	concat_axis1: { inputs: ["a", "b", "c"], build: operator("Concat", { axis: int(1) }) },
	div_broadcast: { inputs: pair, build: operator("Div"), batched: false },
	elu: { build: operator("Elu") },
	erf: { build: operator("Erf") },
	exp: { build: (g, [x]) => g.add("Exp", [g.add("Mul", [x, g.scalar(0.3)])]) },
	expand: { build: (g, [x]) => g.add("Expand", [x, g.ints([2, 3, 4, 5])]), batched: false },
	gather: { build: (g, [x]) => g.add("Gather", [x, g.ints([2, 0, 2])], { axis: int(1) }) },
	gelu: { build: (g, [x]) => importedOperator("Gelu", 20, ["x"])(g, { x: x as Value }) },
	hardswish: { build: operator("HardSwish") },
	leakyrelu: { build: operator("LeakyRelu", { alpha: float(0.1) }) },
	log: { build: operator("Log") },
	logsoftmax: { build: operator("LogSoftmax", { axis: int(-1) }) },
	matmul_batched: { inputs: pair, build: operator("MatMul"), batched: false },
	mul_broadcast: { inputs: pair, build: operator("Mul"), batched: false },
	mul_scalar_shape: { inputs: pair, build: operator("Mul"), batched: false },
	pad_constant: { build: (g, [x]) => g.add("Pad", [x, g.ints([0, 0, 0, 1, 0, 0, 3, 2]), g.scalar(0.5)]) },
	pad_edge: { build: (g, [x]) => g.add("Pad", [x, g.ints([0, 0, 3, 1, 0, 0, 0, 2])], { mode: string("edge") }) },
	pow: { build: (g, [x]) => g.add("Pow", [x, g.scalar(3)]) },
	reducemean: { build: (g, [x]) => g.add("ReduceMean", [x, g.ints([1, 3])]) },
	reducesum: { build: (g, [x]) => g.add("ReduceSum", [x, g.ints([1, 3])], { keepdims: int(0) }) },
	relu: { build: operator("Relu") },
	// PyTorch's relu6 has no gradient at 0, where its clamp has.
	relu6: { build: (g, [x]) => g.add("Clip", [g.add("Relu", [x]), undefined, g.scalar(6)]) },
	reshape: { build: (g, [x]) => g.add("Reshape", [x, g.ints([0, -1, 5])]) },
	sigmoid: { build: operator("Sigmoid") },
	slice: {
		build: (g, [x]) =>
			g.add("Slice", [x, g.ints([1, 0, -4]), g.ints([3, 4, -1]), g.ints([1, 2, 3]), g.ints([1, 2, 1])]),
	},
	softmax: { build: operator("Softmax", { axis: int(-1) }) },
	sqrt: { build: operator("Sqrt") },
	sub_broadcast: { inputs: pair, build: operator("Sub"), batched: false },
	tanh: { build: operator("Tanh") },
	transpose: { build: operator("Transpose", { perm: ints([0, 2, 3, 1]) }) },
	where: {
		inputs: pair,
		build: (g, [a, b]) => g.add("Where", [g.add("Greater", [a, g.scalar(0)]), g.add("Mul", [a, g.scalar(2)]), b]),
	},
};

for (const [name, { inputs: names = ["input"], build, batched = true }] of Object.entries(cases)) {
	withShared(`${name}: output and gradients as PyTorch's`, async (t) => {
		const golden = await goldenVectors(`op_${name}`);
		const inputs = Object.fromEntries(names.map((n) => [n, golden(`in_${n}`)]));
		const out = golden("out");
		await using session = await compileWithGradients(
			inputs,
			(g, values) =>
				build(
					g,
					names.map((n) => values[n] as Value),
				),
			batched ? { batched: names } : {},
		);
		const got = await session.run({ ...inputs, gout: golden("in_gout") });
		t.true(relativeError(got.out as Tensor, out) < 1e-5, "output");
		for (const n of names) t.true(relativeError(got[`g.${n}`] as Tensor, golden(`g_${n}`)) < 1e-5, `gradient of ${n}`);
	});
}

withShared("gemm: output and gradients as PyTorch's linear layer", async (t) => {
	const golden = await goldenVectors("op_gemm");
	const x = golden("in_input");
	// The vectors have the gradients of weight and bias but not their values; those follow from linearity:
	// the gradients do not depend on the bias, and that of the weight not on the weight.
	const weight = tensor("float32", [5, 7], new Float32Array(35));
	const inputs = { input: x, weight, bias: tensor("float32", [5], new Float32Array(5)) };
	await using session = await compileWithGradients(
		inputs,
		(g, v) => g.add("Gemm", [v.input, v.weight, v.bias], { transB: int(1) }),
		{},
	);
	const got = await session.run({ ...inputs, gout: golden("in_gout") });
	for (const n of ["weight", "bias"]) t.true(relativeError(got[`g.${n}`] as Tensor, golden(`g_${n}`)) < 1e-5, n);
});

withShared("layer normalisation: output and gradients as PyTorch's", async (t) => {
	const golden = await goldenVectors("op_layernorm");
	const inputs = {
		input: golden("in_input"),
		weight: tensor("float32", [8], new Float32Array(8).fill(1)),
		bias: tensor("float32", [8], new Float32Array(8)),
	};
	await using session = await compileWithGradients(
		inputs,
		(g, { input, weight, bias }) => g.add("LayerNormalization", [input, weight, bias]),
		{ batched: ["input"] },
	);
	// The vectors leave weight and bias out: with 1 and 0 the output is the normalised input they were applied to.
	const gout = golden("in_gout");
	const normalised = (await session.run({ ...inputs, gout })).out as Tensor<"float32">;
	for (let c = 0; c < 8; c++) {
		const { slope, offset } = line(column(normalised, c), column(golden("out"), c));
		inputs.weight.data[c] = slope;
		inputs.bias.data[c] = offset;
	}
	const got = await session.run({ ...inputs, gout });
	t.true(relativeError(got.out as Tensor, golden("out")) < 1e-5);
	for (const n of Object.keys(inputs)) t.true(relativeError(got[`g.${n}`] as Tensor, golden(`g_${n}`)) < 1e-5, n);
});

/** Values at index `c` of the last axis, which has 8. */
const column = (t: Tensor<"float32">, c: number) => t.data.filter((_, i) => i % 8 === c);

/** Least-squares line through points. */
function line(x: Float32Array, y: Float32Array): { slope: number; offset: number } {
	const mean = (values: Float32Array) => values.reduce((sum, v) => sum + v, 0) / values.length;
	const [mx, my] = [mean(x), mean(y)];
	const covariance = x.reduce((sum, v, i) => sum + (v - mx) * ((y[i] as number) - my), 0);
	const slope = covariance / x.reduce((sum, v) => sum + (v - mx) ** 2, 0);
	return { slope, offset: my - slope * mx };
}

withShared("space to depth in ONNX's channel order, there and back", async (t) => {
	const golden = await goldenVectors("space_to_depth");
	const inputs = { x: golden("in_x") };
	const out = golden("out_onnx");
	await using session = await compileWithGradients(
		inputs,
		(g, v) => g.add("SpaceToDepth", [v.x], { blocksize: int(2) }),
		{ batched: ["x"] },
	);
	const got = await session.run({ ...inputs, gout: out });
	t.deepEqual(got.out?.data, out.data);
	// A permutation: the gradient of its own output is the input again.
	t.deepEqual(got["g.x"]?.data, inputs.x.data);
});

withShared("depth to space in PyTorch's channel order, there and back", async (t) => {
	const golden = await goldenVectors("space_to_depth");
	const inputs = { y: golden("out_torch") };
	const x = golden("in_x");
	await using session = await compileWithGradients(
		inputs,
		(g, v) => g.add("DepthToSpace", [v.y], { blocksize: int(2), mode: string("CRD") }),
		{ batched: ["y"] },
	);
	const got = await session.run({ ...inputs, gout: x });
	t.deepEqual(got.out?.data, x.data);
	t.deepEqual(got["g.y"]?.data, inputs.y.data);
});
