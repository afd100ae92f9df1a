import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";

/**
 * Step of the perturbation in units of its bound, as in fast adversarial training (Wong, Rice and Kolter, ICLR 2020).
 */
const stepRatio = 1.25;

/**
 * Next perturbation of each picture for robust training: clip(delta + 1.25 e sign(gradient), -e, e).
 * @param delta kept from the picture's last visit, of the shape of the input.
 * @param gradient of the loss with respect to the perturbed input, of the same shape.
 * @param bound e, a value []. Zero gives a perturbation of zero.
 */
export function robustPerturbation(g: GraphBuilder, delta: Value, gradient: Value, bound: Value): Value {
	const step = g.add("Mul", [g.add("Sign", [gradient]), g.add("Mul", [bound, g.scalar(stepRatio)])]);
	return g.add("Clip", [g.add("Add", [delta, step]), g.add("Neg", [bound]), bound]);
}
