import { attributes, differentiate, GraphBuilder, operators, type Value } from "@psgl/models";
import { elementCount, type Random, seededRandom, type Tensor, tensor } from "@psgl/sdk";
import test from "ava";
import { gradientErrors, normalTensor } from "../../helpers/operator-gradients.js";

const { int, ints } = attributes;

interface Case {
	/** Shapes of the inputs; all values lie between 0.5 and 1.5, away from the kinks of every operator. */
	readonly dims: readonly (readonly number[])[];
	/** Values far enough from each other that the largest stays the largest. Default false. */
	readonly apart?: boolean;
	readonly build: (g: GraphBuilder, inputs: readonly Value[]) => Value;
}

const image = [3, 2, 4, 6];
const matrix = [3, 4];

const of =
	(type: string, settings: attributes.Attributes = {}) =>
	(g: GraphBuilder, inputs: readonly Value[]) =>
		g.add(type, inputs, settings);
const binary = (type: string): Case => ({ dims: [matrix, [4]], build: of(type) });
const window = { kernel_shape: ints([3, 3]), strides: ints([2, 2]), pads: ints([1, 1, 1, 1]) };

/** Operators that one matrix and no settings do not make. */
const cases: Readonly<Record<string, Case>> = {
	Add: binary("Add"),
	AveragePool: { dims: [image], build: of("AveragePool", window) },
	BatchNormalization: {
		dims: [image, [2], [2], [2], [2]],
		build: (g, inputs) => g.addMany("BatchNormalization", inputs, 3, { training_mode: int(1) })[0] as Value,
	},
	Cast: { dims: [matrix], build: of("Cast", { to: int(1) }) },
	Concat: { dims: [matrix, matrix], build: of("Concat", { axis: int(1) }) },
	Conv: { dims: [image, [3, 2, 3, 3], [3]], build: of("Conv", window) },
	ConvTranspose: { dims: [image, [2, 3, 3, 3], [3]], build: of("ConvTranspose", window) },
	CumSum: {
		dims: [matrix],
		build: (g, [x]) => g.add("CumSum", [x, g.constant(tensor("int64", [], BigInt64Array.of(1n)))]),
	},
	DepthToSpace: { dims: [[3, 8, 2, 3]], build: of("DepthToSpace", { blocksize: int(2) }) },
	Div: binary("Div"),
	Expand: { dims: [[3, 1]], build: (g, [x]) => g.add("Expand", [x, g.ints([1, 5])]) },
	Gather: { dims: [matrix], build: (g, [x]) => g.add("Gather", [x, g.ints([2, 0, 2])], { axis: int(1) }) },
	Gemm: { dims: [matrix, [4, 5], [5]], build: of("Gemm") },
	GlobalAveragePool: { dims: [image], build: of("GlobalAveragePool") },
	InstanceNormalization: { dims: [image, [2], [2]], build: of("InstanceNormalization") },
	LayerNormalization: { dims: [matrix, [4], [4]], build: of("LayerNormalization") },
	MatMul: { dims: [matrix, [4, 5]], build: of("MatMul") },
	Max: { dims: [matrix, [4]], build: (g, [a, b]) => g.add("Max", [a, g.add("Sub", [b, g.scalar(2)])]) },
	MaxPool: { dims: [image], build: of("MaxPool", window), apart: true },
	Min: { dims: [matrix, [4]], build: (g, [a, b]) => g.add("Min", [a, g.add("Add", [b, g.scalar(2)])]) },
	Mul: binary("Mul"),
	Pad: { dims: [matrix], build: (g, [x]) => g.add("Pad", [x, g.ints([1, 0, 2, 1])]) },
	Pow: binary("Pow"),
	PRelu: binary("PRelu"),
	Reshape: { dims: [matrix], build: (g, [x]) => g.add("Reshape", [x, g.ints([2, -1])]) },
	Resize: {
		dims: [image],
		build: (g, [x]) => g.add("Resize", [x, undefined, g.floats([1, 1, 2, 2])]),
	},
	Slice: { dims: [matrix], build: (g, [x]) => g.add("Slice", [x, g.ints([1]), g.ints([3]), g.ints([1])]) },
	SpaceToDepth: { dims: [image], build: of("SpaceToDepth", { blocksize: int(2) }) },
	Split: {
		dims: [matrix],
		build: (g, [x]) => g.addMany("Split", [x, g.ints([1, 3])], 2, { axis: int(1) })[1] as Value,
	},
	Squeeze: { dims: [[3, 1]], build: (g, [x]) => g.add("Squeeze", [x, g.ints([1])]) },
	Sub: binary("Sub"),
	Tile: { dims: [matrix], build: (g, [x]) => g.add("Tile", [x, g.ints([1, 2])]) },
	Unsqueeze: { dims: [matrix], build: (g, [x]) => g.add("Unsqueeze", [x, g.ints([1])]) },
	Where: {
		dims: [matrix, [4]],
		build: (g, [a, b]) => g.add("Where", [g.constant(tensor("bool", [4], Uint8Array.of(1, 0, 1, 0))), a, b]),
	},
};

/** Their results are integers or booleans, through which no gradient flows. */
const discrete = new Set([
	"Equal",
	"Greater",
	"GreaterOrEqual",
	"Less",
	"LessOrEqual",
	"And",
	"Or",
	"Not",
	"ArgMax",
	"OneHot",
	"Shape",
	"Size",
	"BitwiseAnd",
	"BitwiseXor",
]);
const differentiable = operators.filter(({ type, backward }) => backward !== undefined && !discrete.has(type));

test("every case is of an operator that can be differentiated", (t) => {
	const types = new Set(differentiable.map(({ type }) => type));
	t.deepEqual(
		Object.keys(cases).filter((type) => !types.has(type)),
		[],
	);
});

for (const { type } of differentiable) {
	// Squared, so that the second derivative is more than zero also of what is linear.
	const { dims, build, apart = false }: Case = cases[type] ?? { dims: [matrix], build: of(type) };
	const squared = (g: GraphBuilder, inputs: readonly Value[]) => {
		const y = build(g, inputs);
		return g.add("Mul", [y, y]);
	};

	test(`${type}: second derivative against finite differences of the first`, async (t) => {
		const random = seededRandom(23).fork(type);
		const inputs = Object.fromEntries(dims.map((d, i) => [`x${i}`, draw(random, d, apart)]));
		const { first, second } = await gradientErrors(
			inputs,
			(g, values) =>
				squared(
					g,
					dims.map((_, i) => values[`x${i}`] as Value),
				),
			{ random, step: 1e-2 },
		);
		t.true(first < 3e-3, `first off by ${first}`);
		t.true(second < 3e-3, `second off by ${second}`);
	});

	test(`${type}: its backward is made of operators that have a backward themselves`, (t) => {
		const g = new GraphBuilder("test");
		const inputs = dims.map((d, i) => g.input(`x${i}`, "float32", d));
		let value = squared(g, inputs);
		for (let order = 1; order <= 3; order++) {
			const shape = value.shape as readonly number[];
			const ones = g.floats(new Float32Array(elementCount(shape)).fill(1), shape);
			const [next] = differentiate(g, [{ value, gradient: ones }], inputs);
			// What is constant has no derivative of the next order: Sign from the first on, most from the third.
			if (next === undefined) break;
			t.deepEqual(next.shape, inputs[0]?.shape as readonly number[]);
			value = next;
		}
		t.pass();
	});
}

function draw(random: Random, dims: readonly number[], apart: boolean): Tensor<"float32"> {
	const values = normalTensor(random, dims);
	if (!apart) return { ...values, data: values.data.map((v) => 0.5 + 1 / (1 + Math.exp(-v))) };
	const order = random.permutation(values.data.length);
	return { ...values, data: Float32Array.from(order, (place) => 0.5 + place / 10) };
}
