import { attributes, type GraphBuilder, type Value } from "@psgl/models";
import { type Random, seededRandom, type Tensor, tensor } from "@psgl/sdk";
import test from "ava";
import { gradientErrors, normalTensor } from "../../helpers/operator-gradients.js";

const { float, int, ints, string } = attributes;

interface Case {
	/** Shapes of the inputs. */
	readonly dims: readonly (readonly number[])[];
	readonly build: (g: GraphBuilder, inputs: readonly Value[]) => Value;
	/** Values all inputs keep away from: where the slope jumps, or where the function is not defined. */
	readonly kinks?: readonly number[];
	/** Only positive inputs. */
	readonly positive?: boolean;
	/** Which inputs have a first axis of unknown extent. Default: all that have an axis. */
	readonly batched?: readonly number[];
}

const unary =
	(type: string, settings: attributes.Attributes = {}) =>
	(g: GraphBuilder, inputs: readonly Value[]) =>
		g.add(type, inputs, settings);

const image = [3, 2, 4, 6];

const cases: Readonly<Record<string, Case>> = {
	Abs: { dims: [[3, 5]], build: unary("Abs"), kinks: [0] },
	"Add, broadcast along both": {
		dims: [
			[3, 1, 4],
			[2, 1],
		],
		build: unary("Add"),
		batched: [0],
	},
	"Clip to constants": {
		dims: [[3, 5]],
		build: (g, [x]) => g.add("Clip", [x, g.scalar(-0.5), g.scalar(0.7)]),
		kinks: [-0.5, 0.7],
	},
	"Clip to differentiable bounds": {
		dims: [[3, 5], [], []],
		build: (g, [x, low, high]) =>
			g.add("Clip", [
				x,
				g.add("Sub", [g.add("Mul", [low, g.scalar(0.01)]), g.scalar(0.5)]),
				g.add("Exp", [g.add("Mul", [high, g.scalar(0.01)])]),
			]),
		kinks: [-0.5, 1],
	},
	Concat: {
		dims: [
			[3, 2, 4],
			[3, 1, 4],
			[3, 3, 4],
		],
		build: unary("Concat", { axis: int(1) }),
	},
	"DepthToSpace CRD": {
		dims: [[3, 8, 2, 3]],
		build: unary("DepthToSpace", { blocksize: int(2), mode: string("CRD") }),
	},
	"DepthToSpace DCR": { dims: [[3, 8, 2, 3]], build: unary("DepthToSpace", { blocksize: int(2) }) },
	Div: {
		dims: [
			[3, 4, 5],
			[4, 1],
		],
		build: unary("Div"),
		batched: [0],
		positive: true,
	},
	Elu: { dims: [[3, 5]], build: unary("Elu", { alpha: float(0.7) }), kinks: [0] },
	Erf: { dims: [[3, 5]], build: unary("Erf") },
	Exp: { dims: [[3, 5]], build: unary("Exp") },
	Expand: { dims: [[3, 1, 4]], build: (g, [x]) => g.add("Expand", [x, g.ints([1, 5, 1])]) },
	Flatten: { dims: [image], build: unary("Flatten", { axis: int(2) }) },
	"Gather one index": {
		dims: [[3, 4, 5]],
		build: (g, [x]) => g.add("Gather", [x, g.constant(tensor("int64", [], BigInt64Array.of(-2n)))], { axis: int(1) }),
	},
	"Gather a matrix of indices": {
		dims: [[3, 4, 5]],
		build: (g, [x]) =>
			g.add("Gather", [x, g.constant(tensor("int64", [2, 2], BigInt64Array.of(0n, 3n, -4n, 1n)))], { axis: int(1) }),
	},
	"Gather along the first axis": {
		dims: [[4, 5]],
		build: (g, [x]) => g.add("Gather", [x, g.ints([3, 3, 0])], { axis: int(0) }),
		batched: [],
	},
	"Gemm A B + C": {
		dims: [[3, 4], [4, 5], [5]],
		build: unary("Gemm", { alpha: float(0.5), beta: float(2) }),
		batched: [0],
	},
	"Gemm A B'": {
		dims: [
			[3, 4],
			[5, 4],
			[1, 5],
		],
		build: unary("Gemm", { transB: int(1) }),
		batched: [0],
	},
	"Gemm A' B": { dims: [[4, 3], [4, 5], []], build: unary("Gemm", { transA: int(1), alpha: float(3) }), batched: [] },
	"Gemm A' B'": {
		dims: [
			[4, 3],
			[5, 4],
		],
		build: unary("Gemm", { transA: int(1), transB: int(1) }),
		batched: [],
	},
	LeakyRelu: { dims: [[3, 5]], build: unary("LeakyRelu", { alpha: float(0.2) }), kinks: [0] },
	Log: { dims: [[3, 5]], build: unary("Log"), positive: true },
	LogSoftmax: { dims: [[3, 5]], build: unary("LogSoftmax", { axis: int(1) }) },
	"MatMul of matrices": {
		dims: [
			[3, 4],
			[4, 5],
		],
		build: unary("MatMul"),
		batched: [0],
	},
	"MatMul with one matrix for all": {
		dims: [
			[3, 2, 4],
			[4, 5],
		],
		build: unary("MatMul"),
		batched: [0],
	},
	"MatMul batched": {
		dims: [
			[3, 2, 4],
			[3, 4, 5],
		],
		build: unary("MatMul"),
	},
	"MatMul broadcast": {
		dims: [
			[3, 1, 2, 4],
			[2, 4, 5],
		],
		build: unary("MatMul"),
		batched: [0],
	},
	"MatMul vector by matrix": { dims: [[4], [3, 4, 5]], build: unary("MatMul"), batched: [1] },
	"MatMul matrix by vector": { dims: [[3, 2, 4], [4]], build: unary("MatMul"), batched: [0] },
	"MatMul vector by vector": { dims: [[4], [4]], build: unary("MatMul"), batched: [] },
	Max: { dims: [[3, 5], [5]], build: unary("Max"), batched: [0] },
	Min: {
		dims: [
			[3, 5],
			[3, 1],
		],
		build: unary("Min"),
	},
	"Mul of a value by itself": { dims: [[3, 5]], build: (g, [x]) => g.add("Mul", [x, x]) },
	Mul: {
		dims: [
			[3, 4, 5],
			[4, 1],
		],
		build: unary("Mul"),
		batched: [0],
	},
	Neg: { dims: [[3, 5]], build: unary("Neg") },
	"Pad constant, cutting": { dims: [[3, 4, 5]], build: (g, [x]) => g.add("Pad", [x, g.ints([0, -1, 2, 0, 2, -1])]) },
	"Pad along given axes": {
		dims: [[3, 4, 5]],
		build: (g, [x]) => g.add("Pad", [x, g.ints([1, 2]), undefined, g.ints([-1])]),
	},
	"Pad edge": {
		dims: [[3, 1, 2, 5]],
		build: (g, [x]) => g.add("Pad", [x, g.ints([0, 1, 2, 0, 0, 2, 1, 3])], { mode: string("edge") }),
	},
	"Pad reflect": {
		dims: [[3, 4, 5]],
		build: (g, [x]) => g.add("Pad", [x, g.ints([0, 3, 1, 0, 2, 4])], { mode: string("reflect") }),
	},
	"Pow 2.5": { dims: [[3, 5]], build: (g, [x]) => g.add("Pow", [x, g.scalar(2.5)]), positive: true },
	"Pow 3": { dims: [[3, 5]], build: (g, [x]) => g.add("Pow", [x, g.scalar(3)]) },
	"ReduceMax over one axis": {
		dims: [[3, 4, 5]],
		build: (g, [x]) => g.add("ReduceMax", [x, g.ints([1])], { keepdims: int(0) }),
	},
	"ReduceMin over all but the batch": { dims: [image], build: (g, [x]) => g.add("ReduceMin", [x, g.ints([1, 2, 3])]) },
	"ReduceMean over the batch": {
		dims: [[3, 4]],
		build: (g, [x]) => g.add("ReduceMean", [x], { keepdims: int(0) }),
		batched: [0],
	},
	"ReduceMean over the batch of a square": {
		dims: [[3, 4, 2]],
		build: (g, [x]) => g.add("ReduceMean", [g.add("Mul", [x, x]), g.ints([0, 2])], { keepdims: int(1) }),
	},
	"ReduceSum without axes kept": {
		dims: [image],
		build: (g, [x]) => g.add("ReduceSum", [x, g.ints([-1, 1])], { keepdims: int(0) }),
	},
	"ReduceSum over the batch": {
		dims: [[3, 4]],
		build: (g, [x]) => g.add("ReduceSum", [x, g.ints([0])], { keepdims: int(0) }),
	},
	Relu: { dims: [[3, 5]], build: unary("Relu"), kinks: [0] },
	"Reshape keeping the batch": { dims: [image], build: (g, [x]) => g.add("Reshape", [x, g.ints([0, -1, 3])]) },
	"Reshape merging the batch": { dims: [image], build: (g, [x]) => g.add("Reshape", [x, g.ints([-1, 24])]) },
	Sigmoid: { dims: [[3, 5]], build: unary("Sigmoid") },
	"Slice with steps": {
		dims: [[3, 7, 8]],
		build: (g, [x]) => g.add("Slice", [x, g.ints([1, 0]), g.ints([7, 8]), g.ints([1, 2]), g.ints([3, 2])]),
	},
	"Slice backwards": {
		dims: [[3, 7, 8]],
		build: (g, [x]) => g.add("Slice", [x, g.ints([-2, 6]), g.ints([0, -100]), g.ints([1, 2]), g.ints([-1, -3])]),
	},
	Softmax: { dims: [[3, 5, 2]], build: unary("Softmax", { axis: int(1) }) },
	SpaceToDepth: { dims: [image], build: unary("SpaceToDepth", { blocksize: int(2) }) },
	"Split, one part used": {
		dims: [[3, 6]],
		build: (g, [x]) => g.addMany("Split", [x, g.ints([1, 2, 3])], 3, { axis: int(1) })[1] as Value,
	},
	"Split evenly, multiplied": {
		dims: [[3, 6]],
		build: (g, [x]) => {
			const [a, , c] = g.addMany("Split", [x], 3, { axis: int(1), num_outputs: int(3) });
			return g.add("Mul", [a, c]);
		},
	},
	Sqrt: { dims: [[3, 5]], build: unary("Sqrt"), positive: true },
	"Squeeze and Unsqueeze": {
		dims: [[3, 1, 5, 1]],
		build: (g, [x]) => g.add("Unsqueeze", [g.add("Squeeze", [x, g.ints([1, -1])]), g.ints([0, -1])]),
	},
	Sub: {
		dims: [
			[4, 1],
			[3, 4, 5],
		],
		build: unary("Sub"),
		batched: [1],
	},
	Tanh: { dims: [[3, 5]], build: unary("Tanh") },
	Transpose: { dims: [image], build: unary("Transpose", { perm: ints([0, 3, 1, 2]) }) },
	"Where, broadcast": {
		dims: [[3, 4], [4]],
		build: (g, [a, b]) => g.add("Where", [g.constant(tensor("bool", [4], Uint8Array.of(1, 0, 1, 0))), a, b]),
		batched: [0],
	},
};

function draw(random: Random, dims: readonly number[], { kinks = [], positive = false }: Case): Tensor<"float32"> {
	const values = normalTensor(random, dims);
	for (let i = 0; i < values.data.length; i++) {
		let value = values.data[i] as number;
		if (positive) value = 0.5 + Math.abs(value);
		for (const kink of kinks) if (Math.abs(value - kink) < 0.1) value = kink + (value < kink ? -0.1 : 0.1);
		values.data[i] = value;
	}
	return values;
}

for (const [name, instance] of Object.entries(cases)) {
	test(`${name}: first and second derivatives against finite differences`, async (t) => {
		const random = seededRandom(17).fork(name);
		const inputs = Object.fromEntries(instance.dims.map((dims, i) => [`x${i}`, draw(random, dims, instance)]));
		const batched = (instance.batched ?? [...instance.dims.keys()].filter((i) => instance.dims[i]?.length !== 0)).map(
			(i) => `x${i}`,
		);
		const build = (g: GraphBuilder, values: Readonly<Record<string, Value>>) =>
			instance.build(
				g,
				instance.dims.map((_, i) => values[`x${i}`] as Value),
			);
		const { first, second } = await gradientErrors(inputs, build, { random, step: 1e-2, batched });
		t.true(first < 2e-3, `first derivative off by ${first}`);
		t.true(second < 2e-3, `second derivative off by ${second}`);
	});
}
