import { elementCount } from "@psgl/sdk";
import { ints, numberAttribute } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import { type Node, staticShape, type Value } from "../graph/graph.js";
import { type Operator, requiredInput, shapeMismatch } from "./operator.js";
import {
	affine,
	allButChannels,
	centred,
	inverseDeviation,
	perChannel,
	shareOfElement,
	sumPerChannel,
} from "./per-channel.js";

/**
 * `y = scale (x - mean) / sqrt(variance + epsilon) + bias` per channel of [B,C,...] (ONNX BatchNormalization).
 *
 * With `training_mode` the mean and the (biased) variance are those of the batch, and two more outputs
 * carry the running ones: `momentum * running + (1 - momentum) * batch`.
 */
export const batchNormalization: Operator = {
	type: "BatchNormalization",
	infer(node) {
		const x = requiredInput(node, 0);
		const channels = x.shape[1];
		for (let i = 1; i < 5; i++) {
			const vector = requiredInput(node, i);
			if (channels === undefined || vector.shape.length !== 1 || vector.shape[0] !== channels) {
				throw shapeMismatch(node, "x [B,C,...] and scale, bias, mean and variance [C]");
			}
		}
		const running = { dtype: x.dtype, shape: [channels as number] };
		return [{ dtype: x.dtype, shape: x.shape }, running, running];
	},
	backward(g, node, gradients, needed) {
		return isTraining(node) ? trainingBackward(g, node, gradients) : evaluationBackward(g, node, gradients, needed);
	},
};

const isTraining = (node: Node) => numberAttribute(node.attributes, "training_mode", 0) === 1;
const epsilonOf = (node: Node) => numberAttribute(node.attributes, "epsilon", 1e-5);

function evaluationBackward(
	g: GraphBuilder,
	node: Node,
	[gradient]: readonly (Value | undefined)[],
	needed: readonly boolean[],
): readonly (Value | undefined)[] {
	const dy = gradient as Value;
	const [x, scale, mean, variance] = [0, 1, 3, 4].map((i) => requiredInput(node, i)) as [Value, Value, Value, Value];
	const inverse = inverseDeviation(g, variance, epsilonOf(node));
	const slope = g.add("Mul", [scale, inverse]);
	const dx = needed[0] ? g.add("Mul", [dy, perChannel(g, slope, x)]) : undefined;
	if (!needed.slice(1).includes(true)) return [dx];
	const sum = sumPerChannel(g, dy);
	const weighted = sumPerChannel(g, g.add("Mul", [dy, centred(g, x, mean)]));
	const dScale = g.add("Mul", [weighted, inverse]);
	const dMean = g.add("Neg", [g.add("Mul", [sum, slope])]);
	const cubed = g.add("Mul", [slope, g.add("Mul", [inverse, inverse])]);
	const dVariance = g.add("Mul", [g.add("Mul", [weighted, cubed]), g.scalar(-0.5)]);
	return [dx, dScale, sum, dMean, dVariance];
}

function trainingBackward(
	g: GraphBuilder,
	node: Node,
	[gradient, gradientMean, gradientVariance]: readonly (Value | undefined)[],
): readonly (Value | undefined)[] {
	const x = requiredInput(node, 0);
	const momentum = numberAttribute(node.attributes, "momentum", 0.9);
	const { mean, variance } = batchStatistics(g, node, x, momentum);
	const difference = centred(g, x, mean);
	const inverseCount = shareOfElement(g, x);
	const result =
		gradient === undefined ? undefined : resultBackward(g, node, gradient, difference, variance, inverseCount);
	if (gradientMean === undefined && gradientVariance === undefined) return result ?? [];
	// Happens when this backward itself is differentiated: it reads the statistics of the batch.
	const share = g.add("Mul", [inverseCount, g.scalar(1 - momentum)]);
	const zeros = g.floats(new Array<number>(x.shape[1] as number).fill(0));
	const slope = g.add("Mul", [gradientVariance ?? zeros, g.add("Mul", [share, g.scalar(2)])]);
	const offset = g.add("Mul", [gradientMean ?? zeros, share]);
	const dx = g.add("Add", [g.add("Mul", [difference, perChannel(g, slope, x)]), perChannel(g, offset, x)]);
	const [dxOfResult, dScale, dBias] = result ?? [];
	const kept = (v: Value | undefined) => (v === undefined ? undefined : g.add("Mul", [v, g.scalar(momentum)]));
	const total = dxOfResult === undefined ? dx : g.add("Add", [dxOfResult, dx]);
	return [total, dScale, dBias, kept(gradientMean), kept(gradientVariance)];
}

/**
 * Gradients of x, scale and bias from that of y (Ioffe and Szegedy, "Batch Normalization", ICML 2015, section 3).
 * With `s = 1 / sqrt(variance + epsilon)`, `d = x - mean` and means over all but the channels,
 * `dx = scale s (dy - mean(dy) - d s^2 mean(dy d))`.
 */
function resultBackward(
	g: GraphBuilder,
	node: Node,
	dy: Value,
	difference: Value,
	variance: Value,
	inverseCount: Value,
): readonly Value[] {
	const inverse = inverseDeviation(g, variance, epsilonOf(node));
	const dBias = sumPerChannel(g, dy);
	const dScale = g.add("Mul", [productsPerChannel(g, dy, difference), inverse]);
	const slope = g.add("Mul", [requiredInput(node, 1), inverse]);
	const perPixel = g.add("Neg", [g.add("Mul", [slope, inverseCount])]);
	const differenceSlope = g.add("Mul", [perPixel, g.add("Mul", [dScale, inverse])]);
	const scaled = affine(g, dy, slope, g.add("Mul", [perPixel, dBias]));
	return [g.add("Add", [scaled, g.add("Mul", [difference, perChannel(g, differenceSlope, dy)])]), dScale, dBias];
}

/** Mean and biased variance [C] of the batch. With a momentum of 0 the node itself has them among its outputs. */
function batchStatistics(g: GraphBuilder, node: Node, x: Value, momentum: number): { mean: Value; variance: Value } {
	const [, mean, variance] = node.outputs;
	if (momentum === 0 && mean !== undefined && variance !== undefined) return { mean, variance };
	const axes = g.ints(allButChannels(x));
	const noKeep = { keepdims: { type: "int", value: 0 } } as const;
	const batchMean = g.add("ReduceMean", [x, axes], noKeep);
	const difference = centred(g, x, batchMean);
	return { mean: batchMean, variance: g.add("ReduceMean", [g.add("Mul", [difference, difference]), axes], noKeep) };
}

/** From so many places on a product of rows is worth a call for each sample and channel. */
const manyPlaces = 256;

/** Sum of `a * b` per channel; by products of rows, that read the values once and write nothing of their size, where these are long. */
function productsPerChannel(g: GraphBuilder, a: Value, b: Value): Value {
	const spatial = staticShape(a.shape.slice(2));
	if (spatial === undefined || elementCount(spatial) < manyPlaces) return sumPerChannel(g, g.add("Mul", [a, b]));
	const row = g.ints([0, 0, 1, elementCount(spatial)]);
	const column = g.add("Transpose", [g.add("Reshape", [b, row])], { perm: ints([0, 1, 3, 2]) });
	return sumPerChannel(g, g.add("MatMul", [g.add("Reshape", [a, row]), column]));
}
