import type { Tensor } from "@psgl/sdk";
import { differentiate } from "../autodiff/differentiate.js";
import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import type { AttackScene } from "./attack-scene.js";
import { gradientInversion } from "./gradient-inversion.js";
import { meanSample } from "./mean-sample.js";
import { straightThroughConstants } from "./straight-through.js";

/**
 * Inverting gradients (Geiping et al., NeurIPS 2020, Eq. 4) on the client segment: from the mean sample on, the smooth
 * sample whose gradient points where the one seen does, by the signs of the gradient.
 */
export function invertingGradients(scene: AttackScene): Promise<Tensor<"float32">> {
	const mean = meanSample(scene.samples);
	return gradientInversion(scene, {
		distance(g, loss, params, seen) {
			const [own] = differentiate(g, [{ value: loss }], [params], straightThroughConstants(g));
			return own === undefined ? g.scalar(1) : g.add("Sub", [g.scalar(1), cosine(g, own, seen)]);
		},
		variationWeight: 0.3,
		follow: "signs",
		learningRate: 0.005,
		start: () => mean,
	});
}

/** Cosine of the angle between two vectors [P]: []. */
function cosine(g: GraphBuilder, a: Value, b: Value): Value {
	const product = (p: Value, q: Value) => g.add("ReduceSum", [g.add("Mul", [p, q])], { keepdims: int(0) });
	const tiny = g.scalar(1e-20);
	const scale = g.add("Sqrt", [g.add("Add", [g.add("Mul", [product(a, a), product(b, b)]), tiny])]);
	return g.add("Div", [product(a, b), scale]);
}
