import { inputGradient } from "../autodiff/input-gradient.js";
import { type Attributes, int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";

export interface SaliencyMapOptions {
	/** Whether the map is made from class probabilities (soft-max) or from logits. */
	readonly form: "probability" | "logit";
	/** What the budget bounds in each sample: the largest value, or the root mean square. `raw`: no budget. */
	readonly norm: "linf" | "rms" | "raw";
	/** Largest value, or root mean square, of each sample's map: a number or a value []. Not used with `raw`. */
	readonly budget: Value | number;
}

export interface SaliencyMap {
	/** Not negative, of the shape of the input. */
	readonly map: Value;
	/** Logits [B,K] of the unperturbed input. */
	readonly logits: Value;
}

/** Keeps the division of an all-zero map from making NaN: the smallest float32, so that every other largest value becomes one. */
const least = 2 ** -149;

/**
 * The intentional attack: the reversed, non-targeted saliency map of JSMA (Papernot et al., EuroS&P 2016, Eq. 8). With
 * a = d f_y/dx and b = d(sum over k != y of f_k)/dx it is -a*b where a < 0 and b > 0, else 0.
 *
 * The class y is always the one that is predicted. A map made from the true label would carry the label through the
 * map channel.
 *
 * Probabilities add up to one, so b = -a, the map is a^2 where a < 0, and one vector-Jacobian product is enough.
 * Logits take two.
 *
 * @param score builds the logits [B,K] of an input [B,C,H,W] or [B,C,L].
 */
export function saliencyMap(
	g: GraphBuilder,
	score: (g: GraphBuilder, x: Value) => Value,
	x: Value,
	options: SaliencyMapOptions,
): SaliencyMap {
	const logits = score(g, x);
	const predicted = predictedClass(g, logits);
	if (options.form === "logit") {
		const alpha = gradientOf(g, logits, predicted, x);
		const beta = gradientOf(g, logits, g.add("Sub", [g.scalar(1), predicted]), x);
		return { map: mapFromJacobian(g, alpha, beta, options), logits };
	}
	const probabilities = g.add("Softmax", [logits], { axis: int(1) });
	const alpha = gradientOf(g, probabilities, predicted, x);
	return { map: mapFromJacobian(g, alpha, undefined, options), logits };
}

/**
 * The map of the Jacobian rows a and b, scaled to the budget.
 * @param beta left out where it is -alpha exactly.
 */
export function mapFromJacobian(g: GraphBuilder, alpha: Value, beta: Value | undefined, options: SaliencyMapOptions) {
	const axes = alpha.shape.slice(1).map((_, i) => i + 1);
	// Gradients of a confident network are so small that their product leaves float32's range: with a budget, which
	// makes their size irrelevant, both factors are brought to a largest value of one first.
	const raw = options.norm === "raw";
	const falling = raw ? positive(g, g.add("Neg", [alpha])) : overLeast(g, alpha, axes);
	const rising = beta === undefined ? falling : raw ? positive(g, beta) : overLargest(g, beta, axes);
	const map = g.add("Mul", [falling, rising]);
	if (raw) return map;
	const budget = typeof options.budget === "number" ? g.scalar(options.budget) : options.budget;
	// The square of what is at most one has the same largest value.
	if (options.norm === "linf" && beta === undefined) return g.add("Mul", [map, budget]);
	const size =
		options.norm === "linf"
			? g.add("ReduceMax", [map, g.ints(axes)], keepDims)
			: g.add("Sqrt", [g.add("ReduceMean", [g.add("Mul", [map, map]), g.ints(axes)], keepDims)]);
	return g.add("Mul", [g.add("Div", [map, g.add("Max", [size, g.scalar(least)])]), budget]);
}

/** The perturbed input clip(x + map, 0, 1). */
export function perturb(g: GraphBuilder, x: Value, map: Value): Value {
	return g.add("Clip", [g.add("Add", [x, map]), g.scalar(0), g.scalar(1)]);
}

const keepDims: Attributes = { keepdims: int(1) };

const positive = (g: GraphBuilder, value: Value) => g.add("Relu", [value]);

/** max(value, 0) over the largest value of each sample; zero where none is above zero. */
function overLargest(g: GraphBuilder, value: Value, axes: readonly number[]): Value {
	const largest = g.add("Max", [g.add("ReduceMax", [value, g.ints(axes)], keepDims), g.scalar(least)]);
	return positive(g, g.add("Div", [value, largest]));
}

/** The same of -value. */
function overLeast(g: GraphBuilder, value: Value, axes: readonly number[]): Value {
	const smallest = g.add("Min", [g.add("ReduceMin", [value, g.ints(axes)], keepDims), g.scalar(-least)]);
	return positive(g, g.add("Div", [value, smallest]));
}

/** One-hot [B,K] of the largest logit, the first where several are equal. */
function predictedClass(g: GraphBuilder, logits: Value): Value {
	const classes = logits.shape[1] as number;
	const best = g.add("ArgMax", [logits], { axis: int(1), keepdims: int(1) });
	const same = g.add("Equal", [best, g.ints(Array.from({ length: classes }, (_, k) => k))]);
	return g.add("Cast", [same], { to: int(1) });
}

/** Vector-Jacobian product: the gradient of sum(scores * weights) with respect to x. */
function gradientOf(g: GraphBuilder, scores: Value, weights: Value, x: Value): Value {
	return inputGradient(g, [{ value: scores, gradient: weights }], x);
}
