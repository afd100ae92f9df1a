import {
	decodeModel,
	differentiate,
	encodeModel,
	GraphBuilder,
	importModel,
	onnxLimits,
	type Value,
} from "@psgl/models";
import { PsglError, type Random, seededRandom, type Tensor, tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { relativeError } from "../../helpers/golden.js";
import { importedOperator } from "../../helpers/imported-operator.js";
import { type FileAttribute, onnxFile } from "../../helpers/onnx-file.js";
import { gradientErrors, normalTensor } from "../../helpers/operator-gradients.js";
import { runGraph } from "../../helpers/run-graph.js";

const layers = { LSTM: { gates: 4, states: 2 }, GRU: { gates: 3, states: 1 }, RNN: { gates: 1, states: 1 } } as const;
const [batch, inputs, hidden] = [2, 3, 4];
/** Written out, and as a Scan. */
const lengths = [5, onnxLimits.maxUnrolledSteps + 5];

for (const length of lengths)
	for (const [type, { gates, states }] of Object.entries(layers)) {
		for (const direction of ["forward", "reverse", "bidirectional"]) {
			for (const linear of type === "GRU" ? [0, 1] : [0]) {
				for (const optional of [true, false]) {
					const name = `${type} ${direction}, ${length} steps${linear ? ", linear before reset" : ""}${optional ? ", with biases and states" : ""}`;
					test(`${name}: as ONNX Runtime's own`, async (t) => {
						const random = seededRandom(9).fork(name);
						const d = direction === "bidirectional" ? 2 : 1;
						const feeds: Record<string, Tensor> = {
							X: normalTensor(random, [length, batch, inputs]),
							W: normalTensor(random, [d, gates * hidden, inputs]),
							R: normalTensor(random, [d, gates * hidden, hidden]),
						};
						const initial = ["h", "c"].slice(0, states);
						if (optional) {
							feeds.B = normalTensor(random, [d, 2 * gates * hidden]);
							for (const state of initial) feeds[state] = normalTensor(random, [d, batch, hidden]);
						}
						const operands = optional ? ["X", "W", "R", "B", "", ...initial] : ["X", "W", "R"];
						const attributes: Record<string, FileAttribute> = {
							direction: { s: direction },
							hidden_size: { i: hidden },
						};
						if (type === "GRU") attributes.linear_before_reset = { i: linear };
						const outputs = ["Y0", "Y1", "Y2"].slice(0, 1 + states);
						const nodes = [{ type, inputs: operands, outputs, attributes }];
						const shapes = Object.fromEntries(Object.entries(feeds).map(([key, { dims }]) => [key, dims]));
						await using kernel = await nodeRuntime.load(onnxFile({ opset: 14, inputs: shapes, outputs, nodes }));
						const expected = await kernel.run(feeds);
						const got = await runGraph((g) => {
							const values = Object.fromEntries(
								Object.entries(feeds).map(([key, { dims }]) => [key, g.input(key, "float32", dims)]),
							);
							outputs.forEach((output, result) => {
								const settings = { attributes, outputs: outputs.length, result };
								g.output(output, importedOperator(type, 14, operands, settings)(g, values));
							});
						}, feeds);
						for (const output of outputs) {
							const error = relativeError(got[output] as Tensor, expected[output] as Tensor);
							t.true(error < 1e-5, `${output} off by ${error}`);
						}
					});
				}
			}
		}
	}

/** Reads an LSTM over `steps` time steps. */
function read(
	steps: number | string,
	attributes: Readonly<Record<string, FileAttribute>>,
	extra: readonly string[] = [],
) {
	const shapes = { X: [steps, "N", 3], W: [1, 8, 3], R: [1, 8, 2], S: [1, 8, 2] };
	const nodes = [
		{
			type: "LSTM",
			inputs: ["X", "W", "R", ...extra],
			outputs: ["Y"],
			attributes: { hidden_size: { i: 2 }, ...attributes },
		},
	];
	return decodeModel(onnxFile({ opset: 14, inputs: shapes, outputs: ["Y"], nodes }));
}

const refused: readonly (readonly [string, string, () => unknown])[] = [
	["an unknown number of time steps", "PSGL_SHAPE_MISMATCH", () => read("L", {})],
	["clipping", "PSGL_RECURRENT", () => read(3, { clip: { f: 2 } })],
	["coupled gates", "PSGL_RECURRENT", () => read(3, { input_forget: { i: 1 } })],
	["the batch as first axis", "PSGL_RECURRENT", () => read(3, { layout: { i: 1 } })],
	["peepholes", "PSGL_RECURRENT", () => read(3, {}, ["", "", "", "", "S"])],
	["sequence lengths", "PSGL_RECURRENT", () => read(3, {}, ["", "S"])],
	["weights for two directions in one", "PSGL_SHAPE_MISMATCH", () => read(3, { direction: { s: "bidirectional" } })],
];

for (const [name, code, act] of refused) {
	test(`refused: ${name}`, (t) => {
		t.notThrows(() => read(3, {}));
		const error = t.throws(act, { instanceOf: PsglError as unknown as new () => PsglError });
		t.is(error?.code, code);
		t.regex(error?.message ?? "", /LSTM_Y/);
	});
}

/** Weights small enough that a long recurrence is not chaotic, where finite differences tell nothing. */
function smallTensor(random: Random, dims: readonly number[]): Tensor<"float32"> {
	const { data } = normalTensor(random, dims);
	return tensor(
		"float32",
		dims,
		data.map((v) => 0.4 * v),
	);
}

for (const [type, { states }] of Object.entries(layers)) {
	for (const linear of type === "GRU" ? [0, 1] : [0]) {
		test(`${type}${linear ? ", linear before reset" : ""} as a Scan: first and second derivatives against finite differences`, async (t) => {
			const random = seededRandom(12).fork(type);
			const { gates } = layers[type as keyof typeof layers];
			const initial = ["h", "c"].slice(0, states);
			const tensors = {
				X: normalTensor(random, [onnxLimits.maxUnrolledSteps + 1, 2, 3]),
				W: smallTensor(random, [2, 2 * gates, 3]),
				R: smallTensor(random, [2, 2 * gates, 2]),
				B: normalTensor(random, [2, 4 * gates]),
				...Object.fromEntries(initial.map((name) => [name, normalTensor(random, [2, 2, 2])])),
			};
			const attributes: Record<string, FileAttribute> = { direction: { s: "bidirectional" }, hidden_size: { i: 2 } };
			if (linear === 1) attributes.linear_before_reset = { i: 1 };
			const build = importedOperator(type, 14, ["X", "W", "R", "B", "", ...initial], { attributes });
			const { first, second } = await gradientErrors(tensors, build, { random, step: 4e-3 });
			t.true(first < 2e-3, `first derivative off by ${first}`);
			t.true(second < 2e-3, `second derivative off by ${second}`);
		});
	}
}

test("a long sequence has the graph of a longer one, which can be written and read again", async (t) => {
	const [graph, longer] = [read(200, {}), read(2000, {})];
	t.is(longer.nodes.length, graph.nodes.length);
	const bytes = encodeModel(graph);
	const again = decodeModel(bytes);
	t.deepEqual(
		again.nodes.map(({ type }) => type),
		graph.nodes.map(({ type }) => type),
	);
	const random = seededRandom(2);
	const feeds = {
		X: normalTensor(random, [200, 3, 3]),
		W: normalTensor(random, [1, 8, 3]),
		R: normalTensor(random, [1, 8, 2]),
		S: normalTensor(random, [1, 8, 2]),
	};
	await using first = await nodeRuntime.load(bytes);
	await using second = await nodeRuntime.load(encodeModel(again));
	t.deepEqual(await second.run(feeds), await first.run(feeds));
});

test("what every step would do with the weights is done once: turned round in front of the Scan, multiplied behind it", (t) => {
	const g = new GraphBuilder("recurrent");
	const values: Value[] = [];
	const shapes = { X: [40, "N", 3], W: [1, 8, 3], R: [1, 8, 2] };
	const attributes = { hidden_size: { i: 2 } };
	const nodes = [{ type: "LSTM", inputs: ["X", "W", "R"], outputs: ["Y"], attributes }];
	const y = importModel(g, onnxFile({ opset: 14, inputs: shapes, outputs: ["Y"], nodes }), {
		input(name, dtype, shape) {
			const value = g.input(name, dtype, shape);
			values.push(value);
			return value;
		},
		initializer: (name, value) => g.constant(value, name),
	}).get("Y") as Value;
	t.true(differentiate(g, [{ value: y, gradient: y }], values).every((gradient) => gradient !== undefined));
	const bodies = g.nodes.flatMap(({ attributes: { body } }) => (body?.type === "graph" ? [body.value] : []));
	t.is(bodies.length, 2);
	const types = bodies.flatMap((body) => body.nodes.map(({ type }) => type));
	t.false(types.includes("Transpose"));
	t.false(types.includes("Gemm"));
	t.is(types.filter((type) => type === "MatMul").length, 3);
});

test("written out, the graph grows with the sequence and no faster", (t) => {
	const count = (steps: number) => read(steps, {}).nodes.length;
	const longest = onnxLimits.maxUnrolledSteps;
	t.is(count(longest) - count(longest - 4), count(longest - 4) - count(longest - 8));
	t.true(count(longest) > count(longest - 4));
	t.true(count(longest) - count(longest - 4) <= 52);
	t.true(count(longest + 1) < count(longest));
});
