import { importModel, type Value } from "@psgl/models";
import { type Tensor, tensor } from "@psgl/sdk";
import { importedOperator } from "../imported-operator.js";
import { onnxFile } from "../onnx-file.js";
import { int, type OperatorSample, sample, sampleOf } from "./sample.js";

const x = { x: [3, 5] };
const pair = { a: [3, 4, 5], b: [4, 1] };
const activation = (type: string, settings: Parameters<typeof sample>[2] = {}) =>
	sample(type, x, { drawn: "activations", ...settings });
const arithmetic = (type: string, settings: Parameters<typeof sample>[2] = {}) =>
	sample(type, pair, { drawn: "arithmetic", ...settings });
const compared = (type: string) => sample(type, pair);
/** Two inputs, of which now the one, now the other is far the larger. */
const extremum = (type: string) =>
	sampleOf(
		{ data_0: [3, 4], data_1: [4] },
		(g, a, b) => g.add(type, [a, g.add("Add", [b, g.floats([-9, 9, -9, 9])])]),
		{ drawn: "arithmetic" },
	);
const mask = (g: Parameters<OperatorSample["build"]>[0], v: Value) => g.add("Greater", [v, g.scalar(0)]);

/** Operators that compute each element on its own. */
export const elementwiseSamples: Readonly<Record<string, OperatorSample>> = {
	Abs: sample("Abs", x, { kinks: [0], golden: ["abs"] }),
	Add: arithmetic("Add", { golden: ["add_broadcast"] }),
	And: sampleOf(pair, (g, a, b) => g.add("And", [mask(g, a), mask(g, b)])),
	BitwiseAnd: sampleOf(x, (g, v) => g.add("BitwiseAnd", [g.add("Cast", [v], { to: int(7) }), g.ints([3])])),
	BitwiseXor: sampleOf(x, (g, v) => g.add("BitwiseXor", [g.add("Cast", [v], { to: int(7) }), g.ints([3])])),
	Cast: sampleOf(x, (g, v) => g.add("Cast", [g.add("Cast", [v], { to: int(11) })], { to: int(1) })),
	CastLike: {
		inputs: { x: [3, 5], like: [2] },
		build: importedOperator("CastLike", 15, ["x", "like"]),
		batched: ["x"],
	},
	Ceil: sample("Ceil", x, { kinks: [-2, -1, 0, 1, 2] }),
	Celu: activation("Celu", { kinks: [0] }),
	Clip: sampleOf(
		{ input: [3, 5], min: [], max: [] },
		(g, v, low, high) => {
			const bound = (offset: number, by: Value) => g.add("Add", [g.scalar(offset), g.add("Mul", [by, g.scalar(0.01)])]);
			return g.add("Clip", [v, bound(-0.5, low), bound(0.7, high)]);
		},
		{ kinks: [-0.5, 0.7], golden: ["clip", "relu6"] },
	),
	Cos: sample("Cos", x),
	Div: arithmetic("Div", { positive: true, golden: ["div_broadcast"] }),
	Dropout: sampleOf(x, (g, v) => {
		const inputs = ["x", "ratio", "training"];
		const training = { type: "Constant", inputs: [], outputs: ["training"], attributes: { value: { tensor: [1] } } };
		const nodes = [training, { type: "Dropout", inputs, outputs: ["y"] }];
		const file = onnxFile({ opset: 13, inputs: { x: v.shape }, outputs: ["y"], floats: { ratio: [0.5] }, nodes });
		const read = importModel(g, file, {
			input: () => v,
			initializer: (name: string, value: Tensor) => g.constant(value, name),
			dropout: g.constant(tensor("int64", [], BigInt64Array.of(1n))),
		});
		return read.get("y") as Value;
	}),
	Elu: activation("Elu", { kinks: [0], golden: ["elu"] }),
	Equal: compared("Equal"),
	Erf: sample("Erf", x, { golden: ["erf"] }),
	Exp: sample("Exp", x, { golden: ["exp"] }),
	Floor: sample("Floor", x, { kinks: [-2, -1, 0, 1, 2] }),
	Gelu: { inputs: x, build: importedOperator("Gelu", 20, ["x"]), golden: ["gelu"], drawn: "activations" },
	Greater: compared("Greater"),
	GreaterOrEqual: compared("GreaterOrEqual"),
	HardSigmoid: activation("HardSigmoid", { kinks: [-2.5, 2.5] }),
	HardSwish: activation("HardSwish", { kinks: [-3, 3], golden: ["hardswish"] }),
	Identity: sample("Identity", x),
	IsNaN: sample("IsNaN", x),
	LeakyRelu: activation("LeakyRelu", { kinks: [0], golden: ["leakyrelu"] }),
	Less: compared("Less"),
	LessOrEqual: compared("LessOrEqual"),
	Log: sample("Log", x, { positive: true, golden: ["log"] }),
	Max: extremum("Max"),
	Mean: { inputs: pair, build: importedOperator("Mean", 13, ["a", "b"]), batched: ["a"] },
	Min: extremum("Min"),
	Mish: { inputs: x, build: importedOperator("Mish", 18, ["x"]), drawn: "activations" },
	Mul: arithmetic("Mul", { golden: ["mul_broadcast", "mul_scalar_shape"] }),
	Neg: sample("Neg", x),
	Not: sampleOf(x, (g, v) => g.add("Not", [mask(g, v)])),
	Or: sampleOf(pair, (g, a, b) => g.add("Or", [mask(g, a), mask(g, b)])),
	PRelu: sample("PRelu", { x: [3, 4, 5], slope: [4, 1] }, { kinks: [0], drawn: "activations" }),
	Pow: arithmetic("Pow", { positive: true, golden: ["pow"] }),
	Reciprocal: sample("Reciprocal", x, { positive: true }),
	Relu: sample("Relu", x, { kinks: [0], golden: ["relu"] }),
	Round: sample("Round", x, { kinks: [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5] }),
	Selu: activation("Selu", { kinks: [0] }),
	Sigmoid: sample("Sigmoid", x, { golden: ["sigmoid"] }),
	Sign: sample("Sign", x, { kinks: [0] }),
	Sin: sample("Sin", x),
	Softplus: activation("Softplus"),
	Softsign: activation("Softsign", { kinks: [0] }),
	Sqrt: sample("Sqrt", x, { positive: true, golden: ["sqrt"] }),
	Sub: arithmetic("Sub", { golden: ["sub_broadcast"] }),
	Sum: { inputs: pair, build: importedOperator("Sum", 13, ["a", "b"]), batched: ["a"] },
	Tanh: sample("Tanh", x, { golden: ["tanh"] }),
	ThresholdedRelu: activation("ThresholdedRelu", { kinks: [1] }),
	Where: sampleOf(
		{ X: [3, 4], Y: [4] },
		(g, a, b) => g.add("Where", [g.constant(tensor("bool", [4], Uint8Array.of(1, 0, 1, 0))), a, b]),
		{ golden: ["where"], drawn: "arithmetic" },
	),
};
