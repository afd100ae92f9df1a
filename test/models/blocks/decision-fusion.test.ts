import { decisionFusion, type StreamDecision, streamPriors } from "@psgl/models";
import type { Tensor } from "@psgl/sdk";
import test from "ava";
import { goldenVectors } from "../../helpers/golden.js";
import { largestDifference } from "../../helpers/largest-difference.js";
import { runGraph } from "../../helpers/run-graph.js";
import { withShared } from "../../helpers/shared.js";

withShared("decision-level fusion of three streams", async (t) => {
	const vectors = await goldenVectors("adaptive_fusion");
	const feeds = { A: vectors("in_a"), R: vectors("in_r"), F: vectors("in_f") };
	const { scores } = await runGraph((g) => {
		const streams = (["A", "R", "F"] as const).map((name) => ({
			logits: g.input(name, "float32", ["B", 5]),
			prior: streamPriors[name],
		}));
		g.output("scores", decisionFusion(g, streams));
	}, feeds);
	t.true(largestDifference(scores, vectors("out")) < 1e-6);
});

test("scores add up to one, and one stream is its own decision", async (t) => {
	const logits: Tensor<"float32"> = { dtype: "float32", dims: [2, 3], data: Float32Array.of(1, 2, 3, 80, -80, 0) };
	const out = await runGraph(
		(g) => {
			const one: StreamDecision = { logits: g.input("logits", "float32", ["B", 3]), prior: 0.2 };
			g.output("alone", decisionFusion(g, [one]));
			g.output("doubled", decisionFusion(g, [one, { ...one, prior: 0.7 }]));
			g.output("softmax", g.add("Softmax", [one.logits]));
		},
		{ logits },
	);
	t.true(largestDifference(out.alone, out.softmax as Tensor) < 1e-6);
	t.true(largestDifference(out.doubled, out.softmax as Tensor) < 1e-6);
});
