import { attributes, GraphBuilder, type Value } from "@psgl/models";
import { type Random, ShapeError, type Tensor, tensor } from "@psgl/sdk";
import test from "ava";
import fc from "fast-check";
import { gradientProperty } from "../../helpers/gradient-property.js";
import { importedOperator } from "../../helpers/imported-operator.js";
import { type BuildOperator, normalTensor } from "../../helpers/operator-gradients.js";
import { runGraph } from "../../helpers/run-graph.js";

const { float, int } = attributes;
const extent = fc.integer({ min: 2, max: 5 });
const spatial = fc.array(extent, { minLength: 1, maxLength: 2 });
/** Small enough for finite differences: a normalisation curves where its variance is small. */
const epsilon = 0.3;

function operands(
	random: Random,
	x: readonly number[],
	vectors: number,
): Record<"x" | "scale" | "bias", Tensor<"float32">> {
	return { x: normalTensor(random, x), scale: normalTensor(random, [vectors]), bias: normalTensor(random, [vectors]) };
}

for (const output of [0, 1, 2]) {
	test(`LayerNormalization's derivatives agree with finite differences, output ${output}`, async (t) => {
		await gradientProperty(
			fc.record({
				dims: fc.array(extent, { minLength: 2, maxLength: 4 }),
				axis: fc.nat(2),
				negative: fc.boolean(),
				withBias: fc.boolean(),
				suffix: fc.nat(2),
				imported: fc.boolean(),
			}),
			({ dims, axis: drawn, negative, withBias, suffix, imported }, random) => {
				const axis = 1 + (drawn % (dims.length - 1));
				// Scale and bias broadcast to the normalised axes.
				const vector = dims.slice(Math.max(axis, dims.length - 1 - suffix));
				const scale = normalTensor(random, vector);
				const given = { x: normalTensor(random, dims), scale };
				const inputs = withBias ? { ...given, bias: normalTensor(random, vector) } : given;
				const names = Object.keys(inputs);
				const written = negative ? axis - dims.length : axis;
				const built: BuildOperator = (g, v) =>
					g.addMany(
						"LayerNormalization",
						names.map((n) => v[n]),
						output + 1,
						{
							axis: int(written),
							epsilon: float(epsilon),
						},
					)[output] as Value;
				const read = importedOperator("LayerNormalization", 17, names, {
					attributes: { axis: { i: written }, epsilon: { f: epsilon } },
					outputs: output + 1,
					result: output,
				});
				return { inputs, build: imported ? read : built, batched: ["x"] };
			},
			{ runs: 10 },
		);
		t.pass();
	});
}

test("InstanceNormalization's derivatives agree with finite differences", async (t) => {
	await gradientProperty(
		fc.record({ batch: extent, channels: extent, spatial }),
		({ batch, channels, spatial: extents }, random) => ({
			inputs: operands(random, [batch, channels, ...extents], channels),
			build: (g, { x, scale, bias }) => g.add("InstanceNormalization", [x, scale, bias], { epsilon: float(epsilon) }),
			batched: ["x"],
		}),
		{ runs: 12 },
	);
	t.pass();
});

for (const { opset, vectors } of [
	{ opset: 18, vectors: "group" },
	{ opset: 21, vectors: "channel" },
]) {
	test(`GroupNormalization of opset ${opset}, with a scale per ${vectors}: derivatives agree with finite differences`, async (t) => {
		await gradientProperty(
			fc.record({
				batch: extent,
				groups: fc.integer({ min: 1, max: 3 }),
				perGroup: fc.integer({ min: 1, max: 3 }),
				spatial,
			}),
			({ batch, groups, perGroup, spatial: extents }, random) => ({
				inputs: operands(
					random,
					[batch, groups * perGroup, ...extents],
					vectors === "group" ? groups : groups * perGroup,
				),
				build: importedOperator("GroupNormalization", opset, ["x", "scale", "bias"], {
					attributes: { num_groups: { i: groups }, epsilon: { f: epsilon } },
				}),
				batched: ["x"],
			}),
			{ runs: 8 },
		);
		t.pass();
	});
}

test("GroupNormalization normalises each group of each sample, scale per channel", async (t) => {
	const random = { x: [3, -1, 4, 1, -5, 9, 2, 6, 5, 3, 5, 8], scale: [1, 2, 3, 4], bias: [0.1, 0.2, 0.3, 0.4] };
	const x = tensor("float32", [1, 4, 3], Float32Array.from(random.x));
	const scale = tensor("float32", [4], Float32Array.from(random.scale));
	const bias = tensor("float32", [4], Float32Array.from(random.bias));
	const build = importedOperator("GroupNormalization", 21, ["x", "scale", "bias"], {
		attributes: { num_groups: { i: 2 }, epsilon: { f: 1e-3 } },
	});
	const { y } = await runGraph(
		(g) => {
			const vector = (name: string) => g.input(name, "float32", [4]);
			g.output(
				"y",
				build(g, { x: g.input("x", "float32", ["B", 4, 3]), scale: vector("scale"), bias: vector("bias") }),
			);
		},
		{ x, scale, bias },
	);
	for (const group of [0, 1]) {
		const values = random.x.slice(6 * group, 6 * group + 6);
		const mean = values.reduce((a, b) => a + b) / 6;
		const deviation = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / 6 + 1e-3);
		values.forEach((value, i) => {
			const channel = 2 * group + Math.floor(i / 3);
			const expected = ((value - mean) / deviation) * (random.scale[channel] ?? 0) + (random.bias[channel] ?? 0);
			t.true(Math.abs(Number(y?.data[6 * group + i]) - expected) < 1e-5);
		});
	}
});

test("BatchNormalization read in training mode: derivatives agree with finite differences", async (t) => {
	await gradientProperty(
		fc.record({ batch: fc.integer({ min: 3, max: 6 }), channels: extent, spatial, opset: fc.constantFrom(11, 15) }),
		({ batch, channels, spatial: extents, opset }, random) => {
			const [mean, variance] = [normalTensor(random, [channels]), normalTensor(random, [channels])];
			const inputs = { ...operands(random, [batch, channels, ...extents], channels), mean, variance };
			const training = { epsilon: { f: epsilon }, ...(opset === 15 ? { training_mode: { i: 1 } } : {}) };
			const build = importedOperator("BatchNormalization", opset, Object.keys(inputs), {
				attributes: training,
				outputs: opset === 15 ? 3 : 5,
			});
			return { inputs, build, batched: ["x"] };
		},
		{ runs: 10 },
	);
	t.pass();
});

test("BatchNormalization read in training mode moves the running statistics and leaves those it was fed", async (t) => {
	const vector = (...values: number[]) => tensor("float32", [2], Float32Array.from(values));
	const feeds = {
		x: tensor("float32", [2, 2, 1], Float32Array.of(1, 10, 3, 14)),
		scale: vector(1, 1),
		bias: vector(0, 0),
		mean: vector(5, 6),
		variance: vector(7, 8),
	};
	const results = await runGraph((g) => {
		const values = Object.fromEntries(Object.entries(feeds).map(([n, f]) => [n, g.input(n, "float32", f.dims)]));
		for (const result of [1, 2]) {
			const build = importedOperator("BatchNormalization", 15, Object.keys(feeds), {
				attributes: { training_mode: { i: 1 }, momentum: { f: 0.75 } },
				outputs: 3,
				result,
			});
			g.output(`running${result}`, build(g, values));
		}
	}, feeds);
	t.deepEqual([...feeds.mean.data, ...feeds.variance.data], [5, 6, 7, 8]);
	t.deepEqual([...(results.running1?.data ?? [])], [5 * 0.75 + 2 * 0.25, 6 * 0.75 + 12 * 0.25]);
	t.deepEqual([...(results.running2?.data ?? [])], [7 * 0.75 + 1 * 0.25, 8 * 0.75 + 4 * 0.25]);
});

const misfits: Readonly<Record<string, (g: GraphBuilder, x: Value, v: Value) => Value>> = {
	LayerNormalization: (g, x, v) => g.add("LayerNormalization", [x, v]),
	InstanceNormalization: (g, x, v) => g.add("InstanceNormalization", [x, v, v]),
	GroupNormalization: (g, x, v) =>
		importedOperator("GroupNormalization", 21, ["x", "v", "v"], { attributes: { num_groups: { i: 3 } } })(g, { x, v }),
};

for (const [type, build] of Object.entries(misfits)) {
	test(`${type} names the node and the shapes that do not fit`, (t) => {
		const g = new GraphBuilder("test");
		const [x, v] = [g.input("x", "float32", ["B", 6, 8]), g.input("v", "float32", [4])];
		const error = t.throws(() => build(g, x, v), { instanceOf: ShapeError, code: "PSGL_SHAPE_MISMATCH" });
		t.true(error?.message.includes(`(${type})`));
		t.true(error?.message.includes("[B,6,8] and [4]"));
	});
}
