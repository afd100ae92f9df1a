import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { type RandomNumbersOptions, randomNumbers } from "../layers/random-numbers.js";
import { castTo } from "../operators/constants.js";
import { robustPerturbation } from "./robust-perturbation.js";
import { perturb } from "./saliency-map.js";

export interface AdversarialSamplesOptions extends RandomNumbersOptions {
	/** Largest change of a value, a fraction of the input's range: a value []. */
	readonly budget: Value;
	/** Gradient of the loss with respect to samples it is given, of their shape. */
	readonly gradient: (samples: Value) => Value;
}

/**
 * Samples [B,C,...] in [0,1] changed for the worse within the budget: from a point drawn at random one step by the sign of the gradient
 * (Wong, Rice and Kolter, "Fast is better than free: revisiting adversarial training", ICLR 2020). For training that sees the whole loss on the
 * device, where no perturbation has to be kept between epochs.
 */
export function adversarialSamples(g: GraphBuilder, x: Value, options: AdversarialSamplesOptions): Value {
	const { budget } = options;
	const extents = x.shape.slice(1) as number[];
	const size = extents.reduce((a, b) => a * b, 1);
	const bits = castTo(g, randomNumbers(g, x, size, options), "float32");
	const uniform = g.add("Sub", [g.add("Mul", [bits, g.scalar(2 ** -31)]), g.scalar(1)]);
	const start = g.add("Mul", [g.add("Reshape", [uniform, g.ints([-1, ...extents])]), budget]);
	const drawn = { ...start, shape: x.shape };
	const gradient = options.gradient(perturb(g, x, drawn));
	return perturb(g, x, robustPerturbation(g, drawn, gradient, budget));
}
