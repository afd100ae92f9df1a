import { elementCount, type Tensor } from "@psgl/sdk";
import { gradientMatching } from "../attacks/gradient-matching.js";
import { int } from "../graph/attribute.js";
import type { AttackScene } from "./attack-scene.js";
import { gradientInversion } from "./gradient-inversion.js";
import { straightThroughConstants } from "./straight-through.js";

/**
 * Deep leakage from gradients (Zhu et al., NeurIPS 2019, Eq. 3) on the client segment: from noise on, the sample whose
 * gradient has the least squared distance from the one seen.
 */
export function deepLeakage(scene: AttackScene): Promise<Tensor<"float32">> {
	const draws = scene.random.fork("deep leakage");
	const size = elementCount(scene.target.manifest.inputShape);
	return gradientInversion(scene, {
		distance(g, loss, params, seen, x) {
			const { distance } = gradientMatching(g, loss, [params], [seen], x, straightThroughConstants(g));
			const square = g.add("ReduceSum", [g.add("Mul", [seen, seen])], { keepdims: int(0) });
			return g.add("Div", [distance, g.add("Add", [square, g.scalar(1e-20)])]);
		},
		variationWeight: 0,
		follow: "gradient",
		learningRate: 0.05,
		start: (victim) => {
			const own = draws.fork(`victim ${victim}`);
			return Float32Array.from({ length: size }, () => own.uniform());
		},
	});
}
