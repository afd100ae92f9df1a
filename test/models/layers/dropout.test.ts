import { differentiate, dropout, GraphBuilder, importModel } from "@psgl/models";
import { ArtifactError, ShapeError, seededRandom, type Tensor, tensor } from "@psgl/sdk";
import test from "ava";
import { type FileNode, onnxFile } from "../../helpers/onnx-file.js";
import { gradientErrors, normalTensor } from "../../helpers/operator-gradients.js";
import { compileGraph, runGraph } from "../../helpers/run-graph.js";

const step = (value: bigint) => tensor("int64", [], BigInt64Array.of(value));
const rows = 48;
const columns = 500;

/** Which of [48,500] elements dropouts of these names keep, for each step. */
async function masks(steps: readonly bigint[], names: readonly string[], ratio = 0.3): Promise<Uint8Array[][]> {
	await using session = await compileGraph((g) => {
		const x = g.input("x", "float32", ["B", 5, columns / 5]);
		const seed = g.input("seed", "int64", []);
		for (const name of names) g.output(name, dropout(g, x, { ratio, seed, name }).kept);
	});
	const x = tensor("float32", [rows, 5, columns / 5], new Float32Array(rows * columns));
	const results: Uint8Array[][] = [];
	for (const s of steps) {
		const got = await session.run({ x, seed: step(s) });
		results.push(names.map((name) => Uint8Array.from(got[name]?.data as Uint8Array)));
	}
	return results;
}

/** Correlation of two masks whose elements are each kept with probability `keep`. */
function correlation(a: Uint8Array, b: Uint8Array, keep: number): number {
	let sum = 0;
	for (let i = 0; i < a.length; i++) sum += ((a[i] as number) - keep) * ((b[i] as number) - keep);
	return sum / (a.length * keep * (1 - keep));
}

test("a dropout keeps its share of the elements, independently of neighbours, samples, steps and other dropouts", async (t) => {
	const drawn = await masks([0n, 1n, 2n, -1n, 2n ** 31n], ["a", "b"]);
	const all = drawn.flat();
	const keep = 0.7;
	// Five standard deviations: of a mean of n, and of a correlation over n.
	const n = rows * columns;
	for (const mask of all) {
		const share = mask.reduce((a, b) => a + b, 0) / n;
		t.true(Math.abs(share - keep) < 5 * Math.sqrt((keep * (1 - keep)) / n), `share ${share}`);
		for (const shift of [1, 2, 16, columns, 2 * columns, 16 * columns]) {
			const found = correlation(mask.subarray(0, n - shift), mask.subarray(shift), keep);
			t.true(Math.abs(found) < 5 / Math.sqrt(n - shift), `elements ${shift} apart: ${found}`);
		}
	}
	for (const [i, a] of all.entries()) {
		for (const b of all.slice(i + 1)) t.true(Math.abs(correlation(a, b, keep)) < 5 / Math.sqrt(n));
	}
});

test("every column and every row is dropped about as often as the others", async (t) => {
	const keep = 0.5;
	const [mask] = (await masks([7n], ["a"], 1 - keep))[0] as [Uint8Array];
	for (const [length, stride, count] of [
		[columns, 1, rows],
		[rows, columns, columns],
	] as const) {
		const chiSquare = Array.from({ length: count }, (_, i) => {
			const first = stride === 1 ? i * columns : i;
			let kept = 0;
			for (let j = 0; j < length; j++) kept += mask[first + j * stride] as number;
			return (kept - keep * length) ** 2 / (keep * (1 - keep) * length);
		}).reduce((a, b) => a + b, 0);
		t.true(Math.abs(chiSquare - count) < 5 * Math.sqrt(2 * count), `${chiSquare} for ${count}`);
	}
});

test("the same seed draws the same mask: in the same session, in another graph, and for the samples of a smaller batch", async (t) => {
	const [first, again] = await masks([5n, 5n], ["a"]);
	const [elsewhere] = await masks([5n], ["b", "a"]);
	t.deepEqual(first, again);
	t.deepEqual(first?.[0], elsewhere?.[1]);
	const { kept } = await runGraph(
		(g) =>
			g.output(
				"kept",
				dropout(g, g.input("x", "float32", ["B", columns]), {
					ratio: 0.3,
					seed: g.input("seed", "int64", []),
					name: "a",
				}).kept,
			),
		{ x: tensor("float32", [2, columns], new Float32Array(2 * columns)), seed: step(5n) },
	);
	t.deepEqual(Uint8Array.from(kept?.data as Uint8Array), first?.[0]?.slice(0, 2 * columns));
});

test("what is kept is scaled, and the gradient takes the same way", async (t) => {
	const random = seededRandom(1);
	const [x, gout] = [normalTensor(random, [4, 6]), normalTensor(random, [4, 6])];
	const results = await runGraph(
		(g) => {
			const input = g.input("x", "float32", ["B", 6]);
			const { y, kept } = dropout(g, input, { ratio: 0.5, seed: g.input("seed", "int64", []), name: "a" });
			const [gradient] = differentiate(g, [{ value: y, gradient: g.input("gout", "float32", ["B", 6]) }], [input]);
			g.output("y", y);
			g.output("kept", kept);
			if (gradient !== undefined) g.output("gradient", gradient);
		},
		{ x, gout, seed: step(3n) },
	);
	const kept = Array.from(results.kept?.data ?? [], Number);
	t.true(kept.includes(0) && kept.includes(1));
	const expected = (of: Tensor) => kept.map((k, i) => (k === 1 ? 2 * Number(of.data[i]) : 0));
	t.deepEqual(
		[...(results.y?.data ?? [])].map((v) => Number(v) + 0),
		expected(x),
	);
	t.deepEqual(
		[...(results.gradient?.data ?? [])].map((v) => Number(v) + 0),
		expected(gout),
	);
});

const file = (ratio: number) =>
	onnxFile({
		opset: 13,
		inputs: { x: ["N", 4, 5] },
		outputs: ["y"],
		floats: { ratio: [ratio] },
		nodes: [
			{ type: "Constant", inputs: [], outputs: ["training"], attributes: { value: { tensor: [1] } } },
			{ type: "Dropout", inputs: ["x", "ratio", "training"], outputs: ["y", "mask"] },
		] satisfies FileNode[],
	});

test("Dropout read in training mode: off, or by a seed, with derivatives that agree with finite differences", async (t) => {
	const random = seededRandom(2);
	const inputs = { x: normalTensor(random, [3, 4, 5]) };
	for (const off of [true, false]) {
		const errors = await gradientErrors(
			inputs,
			(g, { x }) => {
				const treatment = off ? "off" : g.constant(step(9n));
				const bindings = {
					input: () => x ?? g.scalar(0),
					initializer: (name: string, value: Tensor) => g.constant(value, name),
					dropout: treatment,
				} as const;
				const y = importModel(g, file(0.4), bindings).get("y") ?? g.scalar(0);
				t.is(y === x, off);
				return y;
			},
			{ random, step: 0.5, batched: ["x"] },
		);
		t.true(errors.first < 1e-4 && errors.second < 1e-4);
	}
});

test("a dropout of everything and one of a shape that is not known are refused", (t) => {
	const g = new GraphBuilder("test");
	const bindings = {
		input: () => g.input("x", "float32", ["N", 4, 5]),
		initializer: (name: string, value: Tensor) => g.constant(value, name),
		dropout: g.input("seed", "int64", []),
	};
	const error = t.throws(() => importModel(g, file(1), bindings), { instanceOf: ArtifactError });
	t.is(error?.code, "PSGL_ONNX_DROPOUT");
	const open = g.input("open", "float32", ["B", "T"]);
	const mismatch = t.throws(() => dropout(g, open, { ratio: 0.5, seed: bindings.dropout, name: "a" }), {
		instanceOf: ShapeError,
	});
	t.regex(mismatch?.message ?? "", /dropout a .*\[B,T\]/s);
});

test("the seed attribute of a node takes the place of its name: nodes with the same one draw the same mask", async (t) => {
	const training: FileNode = {
		type: "Constant",
		inputs: [],
		outputs: ["training"],
		attributes: { value: { tensor: [1] } },
	};
	const drop = (output: string, seed?: number): FileNode => ({
		type: "Dropout",
		inputs: ["x", "", "training"],
		outputs: [output],
		...(seed === undefined ? {} : { attributes: { seed: { i: seed } } }),
	});
	const outputs = ["a", "b", "c", "d", "e"];
	const nodes = [training, drop("a", 1), drop("b", 1), drop("c", 2), drop("d"), drop("e")];
	const results = await runGraph(
		(g) => {
			const bindings = {
				input: () => g.input("x", "float32", ["B", columns]),
				initializer: (name: string, value: Tensor) => g.constant(value, name),
				dropout: g.constant(step(4n)),
			};
			const read = importModel(g, onnxFile({ opset: 15, inputs: { x: ["N", columns] }, outputs, nodes }), bindings);
			for (const [name, value] of read) g.output(name, value);
		},
		{ x: tensor("float32", [2, columns], new Float32Array(2 * columns).fill(1)) },
	);
	const texts = outputs.map((name) => results[name]?.data.join());
	t.is(texts[0], texts[1]);
	t.is(new Set(texts).size, 4);
});
