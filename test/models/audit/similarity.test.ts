import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { differentiate, ReconstructionQuality, signalCorrelation, structuralSimilarity } from "@psgl/models";
import { type Tensor, tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { referenceValues } from "../../helpers/reference-values.js";
import { projectFolder } from "../../helpers/run-cli.js";
import { compileGraph, runGraph } from "../../helpers/run-graph.js";

type Real = Tensor<"float32">;

interface Case {
	readonly shape: readonly number[];
	/** How much of the guess is noise. */
	readonly share: number;
	readonly psnr: readonly number[];
	readonly ssim?: readonly number[];
	readonly correlation: readonly number[];
}

const cases = JSON.parse(
	await readFile(join(projectFolder, "test/fixtures/audit/similarity.json"), "utf8"),
) as readonly Case[];

function pair(shape: readonly number[], share: number): { original: Real; guess: Real } {
	const [a, b] = [referenceValues(shape, 1).data, referenceValues(shape, 2).data];
	const original = a.map((value) => (value + 1) / 2);
	const guess = original.map((value, i) => (1 - share) * value + (share * ((b[i] as number) + 1)) / 2);
	return { original: tensor("float32", shape, original), guess: tensor("float32", shape, guess) };
}

const near = (got: ArrayLike<number>, expected: readonly number[], tolerance: number) =>
	got.length === expected.length && expected.every((value, i) => Math.abs((got[i] as number) - value) < tolerance);

for (const { shape, share, ssim, correlation, psnr } of cases) {
	test(`similarity of [${shape.join(",")}] with ${share} of noise is scikit-image's and NumPy's`, async (t) => {
		const { original, guess } = pair(shape, share);
		const out = await runGraph(
			(g) => {
				const a = g.input("a", "float32", ["B", ...shape.slice(1)]);
				const b = g.input("b", "float32", ["B", ...shape.slice(1)]);
				if (ssim !== undefined) g.output("ssim", structuralSimilarity(g, a, b));
				g.output("correlation", signalCorrelation(g, a, b));
			},
			{ a: original, b: guess },
		);
		if (ssim !== undefined) t.true(near(out.ssim?.data as Float32Array, ssim, 1e-5), `${out.ssim?.data} ${ssim}`);
		t.true(near(out.correlation?.data as Float32Array, correlation, 1e-5), `${out.correlation?.data} ${correlation}`);
		await using quality = await ReconstructionQuality.load(nodeRuntime, shape.slice(1));
		const measured = await quality.measure(original, guess);
		t.true(near(measured.each, ssim ?? correlation, 1e-5));
		const expected = psnr.reduce((sum, value) => sum + value / psnr.length, 0);
		t.true(Math.abs(measured.psnr - expected) < 1e-3, `${measured.psnr} ${expected}`);
	});
}

test("a step along the gradient of the similarity raises it", async (t) => {
	const shape = [2, 1, 10, 10];
	const { original, guess } = pair(shape, 0.5);
	await using session = await compileGraph((g) => {
		const a = g.input("a", "float32", shape);
		const b = g.input("b", "float32", shape);
		const total = g.add("ReduceSum", [structuralSimilarity(g, a, b), g.ints([0])], {
			keepdims: { type: "int", value: 0 },
		});
		g.output("total", total);
		const [gradient] = differentiate(g, [{ value: total }], [b]);
		g.output("gradient", gradient ?? b);
	});
	const before = await session.run({ a: original, b: guess });
	const slope = (before.gradient as Real).data;
	const rate = 1e-4;
	const moved = tensor(
		"float32",
		shape,
		guess.data.map((value, i) => value + rate * (slope[i] as number)),
	);
	const after = await session.run({ a: original, b: moved });
	const gained = ((after.total as Real).data[0] as number) - ((before.total as Real).data[0] as number);
	const promised = rate * slope.reduce((sum, value) => sum + value * value, 0);
	t.true(promised > 0 && Math.abs(gained - promised) < 0.1 * promised, `${gained} of ${promised}`);
});
