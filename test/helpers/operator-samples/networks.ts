import { importedOperator } from "../imported-operator.js";
import { float, int, ints, type OperatorSample, sample } from "./sample.js";

const window = { kernel_shape: ints([3, 3]), strides: ints([2, 2]), pads: ints([1, 1, 1, 1]) };
const vectors = { scale: [4], B: [4] };
const normalised = { attributes: { epsilon: float(0.3) } };
const convolution = "convolution-properties";

/** Operators that networks are named by: products, windows, normalisations. */
export const networkSamples: Readonly<Record<string, OperatorSample>> = {
	AveragePool: sample(
		"AveragePool",
		{ X: [2, 2, 5, 6] },
		{ attributes: window, golden: ["avgpool2", "avgpool3_s2_p1_excl"], drawn: "average-pool" },
	),
	BatchNormalization: {
		...sample("BatchNormalization", { X: [3, 4, 5], ...vectors, input_mean: [4], input_var: [4] }, normalised),
		positive: true,
		golden: ["batchnorm_eval", "batchnorm_train"],
		drawn: "normalisation",
	},
	Conv: sample(
		"Conv",
		{ X: [2, 4, 5, 6], W: [6, 2, 3, 3], B: [6] },
		{
			attributes: { group: int(2), strides: ints([2, 1]), pads: ints([1, 1, 1, 1]) },
			golden: ["conv", "conv_stride2_pad1", "conv_groups2", "conv_depthwise_s2", "conv_1x1_s2", "conv1d"],
			drawn: convolution,
		},
	),
	ConvTranspose: sample(
		"ConvTranspose",
		{ X: [2, 4, 3, 4], W: [4, 3, 3, 3], B: [6] },
		{
			attributes: { group: int(2), strides: ints([2, 1]), pads: ints([1, 1, 1, 1]) },
			golden: ["convtranspose", "convtranspose_s2_p1_op1", "convtranspose_dil2"],
			drawn: convolution,
		},
	),
	Gemm: sample(
		"Gemm",
		{ A: [3, 4], B: [5, 4], C: [5] },
		{ attributes: { transB: int(1) }, golden: ["gemm"], drawn: "products" },
	),
	GlobalAveragePool: sample("GlobalAveragePool", { X: [3, 2, 4, 5] }, { golden: ["globalavgpool"] }),
	GlobalMaxPool: { inputs: { X: [3, 2, 4, 5] }, build: importedOperator("GlobalMaxPool", 11, ["X"]) },
	GroupNormalization: {
		inputs: { X: [2, 4, 3, 5], scale: [4], bias: [4] },
		build: importedOperator("GroupNormalization", 21, ["X", "scale", "bias"], {
			attributes: { num_groups: { i: 2 }, epsilon: { f: 0.3 } },
		}),
		drawn: "normalisation",
	},
	InstanceNormalization: sample(
		"InstanceNormalization",
		{ input: [2, 4, 3, 5], ...vectors },
		{ ...normalised, drawn: "normalisation" },
	),
	LayerNormalization: sample(
		"LayerNormalization",
		{ X: [2, 3, 4], Scale: [4], B: [4] },
		{
			...normalised,
			golden: ["layernorm"],
			drawn: "normalisation",
		},
	),
	MatMul: sample(
		"MatMul",
		{ A: [2, 3, 4], B: [2, 4, 5] },
		{ batched: ["A", "B"], golden: ["matmul_batched"], drawn: "products" },
	),
	MaxPool: sample(
		"MaxPool",
		{ X: [2, 2, 5, 6] },
		{
			attributes: window,
			golden: ["maxpool2", "maxpool3_s2_p1", "maxpool2_ties", "maxpool2_ceil"],
			drawn: "max-pool",
		},
	),
};
