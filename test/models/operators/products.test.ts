import { attributes, GraphBuilder } from "@psgl/models";
import { ShapeError } from "@psgl/sdk";
import test from "ava";
import fc from "fast-check";
import { broadcastTo, gradientProperty } from "../../helpers/gradient-property.js";
import { normalTensor } from "../../helpers/operator-gradients.js";

const { float, int } = attributes;
const extent = fc.integer({ min: 1, max: 5 });

test("MatMul: derivatives agree with finite differences for drawn batches, broadcasts and vectors", async (t) => {
	await gradientProperty(
		fc.record({
			batch: fc.array(extent, { maxLength: 2 }),
			m: extent,
			k: extent,
			n: extent,
			leftSkip: fc.nat(2),
			leftOnes: fc.array(fc.boolean(), { minLength: 1, maxLength: 2 }),
			rightSkip: fc.nat(2),
			rightOnes: fc.array(fc.boolean(), { minLength: 1, maxLength: 2 }),
			vector: fc.constantFrom("none", "none", "left", "right"),
		}),
		({ batch, m, k, n, leftSkip, leftOnes, rightSkip, rightOnes, vector }, random) => {
			const left = vector === "left" ? [k] : [...broadcastTo(batch, leftSkip, leftOnes), m, k];
			const right = vector === "right" ? [k] : [...broadcastTo(batch, rightSkip, rightOnes), k, n];
			return {
				inputs: { a: normalTensor(random, left), b: normalTensor(random, right) },
				build: (g, { a, b }) => g.add("MatMul", [a, b]),
			};
		},
		{ runs: 24, step: 0.5, tolerance: 1e-4 },
	);
	t.pass();
});

test("Gemm: derivatives agree with finite differences for drawn transpositions, factors and biases", async (t) => {
	await gradientProperty(
		fc.record({
			m: extent,
			k: extent,
			n: extent,
			transA: fc.nat(1),
			transB: fc.nat(1),
			alpha: fc.double({ min: 0.5, max: 2, noNaN: true }),
			beta: fc.double({ min: 0.5, max: 2, noNaN: true }),
			bias: fc.constantFrom("none", "row", "column", "matrix", "scalar"),
		}),
		({ m, k, n, transA, transB, alpha, beta, bias }, random) => {
			const shapes = { row: [n], column: [m, 1], matrix: [m, n], scalar: [] };
			const given = {
				a: normalTensor(random, transA ? [k, m] : [m, k]),
				b: normalTensor(random, transB ? [n, k] : [k, n]),
			};
			const settings = { transA: int(transA), transB: int(transB), alpha: float(alpha), beta: float(beta) };
			return {
				inputs: bias === "none" ? given : { ...given, c: normalTensor(random, shapes[bias]) },
				build: (g, { a, b, c }) => g.add("Gemm", [a, b, c], settings),
				batched: transA ? [] : ["a"],
			};
		},
		{ runs: 24, step: 0.5, tolerance: 1e-4 },
	);
	t.pass();
});

test("MatMul and Gemm name the node and the shapes that do not fit", (t) => {
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", ["B", 3]);
	const w = g.input("w", "float32", [4, 5]);
	for (const type of ["MatMul", "Gemm"]) {
		const error = t.throws(() => g.add(type, [x, w]), { instanceOf: ShapeError, code: "PSGL_SHAPE_MISMATCH" });
		t.regex(error?.message ?? "", new RegExp(`node ${type}_\\d+ .*\\[B,3\\] and \\[4,5\\]`, "s"));
	}
});
