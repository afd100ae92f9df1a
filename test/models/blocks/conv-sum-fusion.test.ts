import { convSumFusion, differentiate, recoverySvt, type Value } from "@psgl/models";
import { seededRandom, type Tensor } from "@psgl/sdk";
import test from "ava";
import { goldenVectors, relativeError } from "../../helpers/golden.js";
import { numbers } from "../../helpers/numbers.js";
import { normalTensor } from "../../helpers/operator-gradients.js";
import { runGraph } from "../../helpers/run-graph.js";
import { withShared } from "../../helpers/shared.js";

withShared("conv-sum fusion and its gradients", async (t) => {
	const vectors = await goldenVectors("conv_sum_fusion");
	const feeds = {
		s: vectors("in_s"),
		r: vectors("in_r"),
		gradient: vectors("in_gout"),
		weight: vectors("w_weight"),
		bias: vectors("w_bias"),
	};
	const out = await runGraph((g) => {
		const place = ["B", 8, 7, 7];
		const wrt = [
			g.input("s", "float32", place),
			g.input("r", "float32", place),
			g.input("weight", "float32", [8, 16, 3, 3]),
			g.input("bias", "float32", [8]),
		] as const;
		const value = convSumFusion(g, ...wrt);
		const arriving = g.input("gradient", "float32", place);
		const gradients = differentiate(g, [{ value, gradient: arriving }], wrt);
		g.output("out", value);
		for (const [i, name] of ["g_s", "g_r", "g_weight", "g_bias"].entries()) g.output(name, gradients[i] as Value);
	}, feeds);
	for (const key of ["out", "g_s", "g_r", "g_weight", "g_bias"]) {
		t.true(relativeError(out[key] as Tensor, vectors(key)) < 1e-5, key);
	}
});

test("signals fuse along their length", async (t) => {
	const signal = (...values: number[]): Tensor<"float32"> => ({
		dtype: "float32",
		dims: [1, 1, 3],
		data: Float32Array.from(values),
	});
	const { fused } = await runGraph(
		(g) => {
			const s = g.input("s", "float32", ["B", 1, 3]);
			const r = g.input("r", "float32", ["B", 1, 3]);
			// Takes s one place to the left and r as it is.
			const weight = g.floats([0, 0, 1, 0, 10, 0], [1, 2, 3]);
			g.output("fused", convSumFusion(g, s, r, weight, g.floats([0.5])));
		},
		{ s: signal(1, 2, 3), r: signal(4, 5, 6) },
	);
	t.deepEqual(numbers(fused), [43.5, 55.5, 63.5]);
});

test("where recovery hands its gradient on, those of both halves arrive at the smashed data", async (t) => {
	const random = seededRandom(2);
	const place = ["B", 4, 5, 6];
	const results = await runGraph(
		(g) => {
			const smashed = g.input("smashed", "float32", place);
			const weight = g.input("weight", "float32", [4, 8, 3, 3]);
			const bias = g.input("bias", "float32", [4]);
			const gradient = g.input("gradient", "float32", place);
			const { recovered, constants } = recoverySvt(g, smashed, { threshold: 0.2 });
			const value = convSumFusion(g, smashed, recovered, weight, bias);
			const own = differentiate(g, [{ value, gradient }], [smashed, weight, bias], constants);
			// The same recovered data as values of their own.
			const apart = g.add("Identity", [recovered]);
			const separate = convSumFusion(g, smashed, apart, weight, bias);
			const [first, second, ...rest] = differentiate(
				g,
				[{ value: separate, gradient }],
				[smashed, apart, weight, bias],
				[recovered],
			) as [Value, Value, Value, Value];
			g.output("value", value);
			g.output("separate value", separate);
			const expected = [g.add("Add", [first, second]), ...rest];
			for (const [i, gradients] of [own as Value[], expected].entries()) {
				for (const [j, of] of gradients.entries()) g.output(`${i} ${j}`, of);
			}
		},
		{
			smashed: normalTensor(random, [3, 4, 5, 6]),
			weight: normalTensor(random, [4, 8, 3, 3]),
			bias: normalTensor(random, [4]),
			gradient: normalTensor(random, [3, 4, 5, 6]),
		},
	);
	t.deepEqual(results.value, results["separate value"]);
	for (const j of [0, 1, 2]) t.true(relativeError(results[`0 ${j}`] as Tensor, results[`1 ${j}`] as Tensor) < 1e-5);
});
