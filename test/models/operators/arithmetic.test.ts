import { attributes, differentiate, GraphBuilder } from "@psgl/models";
import { ShapeError, type Tensor, tensor } from "@psgl/sdk";
import test from "ava";
import fc from "fast-check";
import {
	broadcastTo,
	gradientProperty,
	positiveTensor,
	smallShape,
	smoothTensor,
} from "../../helpers/gradient-property.js";
import { normalTensor } from "../../helpers/operator-gradients.js";
import { runGraph } from "../../helpers/run-graph.js";

const { int } = attributes;

/** A shape and how several operands broadcast to it. */
const broadcasts = (operands: number) =>
	fc.record({
		dims: smallShape,
		operands: fc.array(fc.record({ skip: fc.nat(2), ones: fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }) }), {
			minLength: operands,
			maxLength: operands,
		}),
	});

/** The first operand has all axes, so that the result is as large as `dims`. */
const operandDims = (dims: readonly number[], operands: readonly { skip: number; ones: readonly boolean[] }[]) =>
	operands.map(({ skip, ones }, i) => (i === 0 ? [...dims] : broadcastTo(dims, skip, ones)));

for (const type of ["Add", "Sub", "Mul", "Div", "Pow"]) {
	test(`${type}'s derivatives in both inputs agree with finite differences under broadcasting`, async (t) => {
		await gradientProperty(
			broadcasts(2),
			({ dims, operands }, random) => {
				const [a, b] = operandDims(dims, operands).map((d) =>
					type === "Div" || type === "Pow" ? positiveTensor(random, d) : normalTensor(random, d),
				) as [Tensor<"float32">, Tensor<"float32">];
				return { inputs: { a, b }, build: (g, v) => g.add(type, [v.a, v.b]), batched: ["a"] };
			},
			// Powers of up to 4 curve most.
			{ runs: 12, step: type === "Pow" ? 2e-3 : 1e-2, tolerance: type === "Pow" ? 5e-3 : 2e-3 },
		);
		t.pass();
	});
}

for (const exponent of [-1, 0, 1, 2, 3, 0.5]) {
	for (const dtype of Number.isInteger(exponent) ? (["float32", "int64", "int32"] as const) : (["float32"] as const)) {
		test(`Pow with the ${dtype} exponent ${exponent}: derivatives agree with finite differences`, async (t) => {
			const data = { float32: Float32Array.of(exponent), int32: Int32Array.of(exponent) };
			const constant =
				dtype === "int64"
					? tensor("int64", [], BigInt64Array.of(BigInt(exponent)))
					: tensor(dtype, [], data[dtype] as never);
			await gradientProperty(
				smallShape,
				(dims, random) => ({
					inputs: { x: positiveTensor(random, dims) },
					build: (g, { x }) => g.add("Pow", [x, g.constant(constant)]),
					batched: ["x"],
				}),
				{ runs: 3 },
			);
			t.pass();
		});
	}
}

test("Pow has no infinite slope where x or the exponent is 0", async (t) => {
	const results = await runGraph(
		(g) => {
			const x = g.input("x", "float32", [4]);
			const e = g.input("e", "float32", [4]);
			const y = g.add("Pow", [x, e]);
			const [dx, de] = differentiate(g, [{ value: y, gradient: g.floats([1, 1, 1, 1]) }], [x, e]);
			if (dx !== undefined) g.output("dx", dx);
			if (de !== undefined) g.output("de", de);
		},
		{ x: tensor("float32", [4], Float32Array.of(0, 0, 0, 2)), e: tensor("float32", [4], Float32Array.of(0, 1, 2, 0)) },
	);
	t.deepEqual([...(results.dx?.data ?? [])], [0, 1, 0, 0]);
	t.deepEqual([...(results.de?.data ?? [])].slice(0, 3), [0, 0, 0]);
	t.true(Math.abs(Number(results.de?.data[3]) - Math.LN2) < 1e-6);
});

for (const type of ["Max", "Min"]) {
	test(`${type} of several inputs: derivatives agree with finite differences under broadcasting`, async (t) => {
		await gradientProperty(
			fc.integer({ min: 1, max: 4 }).chain(broadcasts),
			({ dims, operands }, random) => {
				// Operand i has the values i/3, i/3 + 4/3, ...: no two operands come nearer than a third.
				const apart = operandDims(dims, operands).map((d, i) => {
					const values = normalTensor(random, d);
					values.data.forEach((v, j) => {
						values.data[j] = Math.round(v) * (4 / 3) + i / 3;
					});
					return values;
				});
				const names = apart.map((_, i) => `x${i}`);
				return {
					inputs: Object.fromEntries(apart.map((v, i) => [`x${i}`, v])),
					build: (g, v) =>
						g.add(
							type,
							names.map((name) => v[name]),
						),
					batched: ["x0"],
				};
			},
			{ runs: 12 },
		);
		t.pass();
	});
}

test("Where's derivatives agree with finite differences under broadcasting", async (t) => {
	await gradientProperty(
		broadcasts(3),
		({ dims, operands }, random) => {
			const [first, second, third] = operandDims(dims, operands) as [number[], number[], number[]];
			const bits = Uint8Array.from({ length: third.reduce((a, b) => a * b, 1) }, () => random.integer(2));
			return {
				inputs: { a: normalTensor(random, first), b: normalTensor(random, second) },
				build: (g, { a, b }) => g.add("Where", [g.constant(tensor("bool", third, bits)), a, b]),
				batched: ["a"],
			};
		},
		{ runs: 12 },
	);
	t.pass();
});

test("Tile's derivatives agree with finite differences", async (t) => {
	await gradientProperty(
		fc.record({ dims: smallShape, repeats: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 4, maxLength: 4 }) }),
		({ dims, repeats }, random) => ({
			inputs: { x: normalTensor(random, dims) },
			build: (g, { x }) => g.add("Tile", [x, g.ints(repeats.slice(0, dims.length))]),
			batched: ["x"],
		}),
		{ runs: 16, step: 0.5 },
	);
	t.pass();
});

test("Tile refuses repeats that do not fit, with the node and the shapes named", (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", ["B", 3]);
	t.deepEqual(g.add("Tile", [x, g.ints([2, 4])]).shape, ["2*B", 12]);
	for (const repeats of [[2], [0, 1]]) {
		const error = t.throws(() => g.add("Tile", [x, g.ints(repeats)]), { instanceOf: ShapeError });
		t.regex(error?.message ?? "", /node Tile_\d+ .*\[B,3\] and \[\d\]/s);
	}
});

const reductions: Readonly<Record<string, { readonly kinks: readonly number[]; readonly positive?: boolean }>> = {
	ReduceSum: { kinks: [] },
	ReduceMean: { kinks: [] },
	ReduceL1: { kinks: [0] },
	ReduceL2: { kinks: [0] },
	ReduceSumSquare: { kinks: [] },
	ReduceLogSum: { kinks: [], positive: true },
	ReduceLogSumExp: { kinks: [] },
	ReduceProd: { kinks: [], positive: true },
};

for (const [type, { kinks, positive = false }] of Object.entries(reductions)) {
	test(`${type}'s derivatives agree with finite differences over drawn axes`, async (t) => {
		await gradientProperty(
			fc.record({
				dims: smallShape,
				reduced: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
				keep: fc.boolean(),
				negative: fc.boolean(),
			}),
			({ dims, reduced, keep, negative }, random) => {
				const axes = dims.flatMap((_, i) => (reduced[i] ? [negative ? i - dims.length : i] : []));
				return {
					inputs: { x: positive ? positiveTensor(random, dims) : smoothTensor(random, dims, kinks) },
					build: (g, { x }) =>
						g.add(type, axes.length === 0 ? [x] : [x, g.ints(axes)], { keepdims: int(keep ? 1 : 0) }),
					batched: ["x"],
				};
			},
			{ runs: 12, step: type === "ReduceProd" ? 2e-3 : 1e-2, tolerance: 4e-3 },
		);
		t.pass();
	});
}

test("ReduceL2 has the slope 0 where everything is 0, ReduceProd the product of the others", async (t) => {
	const { norm, product } = await runGraph(
		(g) => {
			const x = g.input("x", "float32", [2, 3]);
			const one = g.floats([1, 1]);
			const slope = (type: string, name: string) => {
				const y = g.add(type, [x, g.ints([1])], { keepdims: int(0) });
				const [gradient] = differentiate(g, [{ value: y, gradient: one }], [x]);
				if (gradient !== undefined) g.output(name, gradient);
			};
			slope("ReduceL2", "norm");
			slope("ReduceProd", "product");
		},
		{ x: tensor("float32", [2, 3], Float32Array.of(0, 0, 0, 3, 0, 4)) },
	);
	t.deepEqual(
		[...(norm?.data ?? [])].map((v) => Number(v).toFixed(6)),
		["0", "0", "0", "0.6", "0", "0.8"].map((v) => Number(v).toFixed(6)),
	);
	t.deepEqual([...(product?.data ?? [])], [0, 0, 0, 0, 12, 0]);
});
