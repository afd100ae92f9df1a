import { tensor } from "@psgl/sdk";
import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { castTo, numberLike } from "../operators/constants.js";
import type { OptimiserOperands, OptimiserResult } from "./optimiser.js";

export interface AdamSettings {
	readonly beta1: number;
	readonly beta2: number;
	readonly epsilon: number;
	/** Strength of the pull towards 0. */
	readonly weightDecay: number;
	/** Pulls the parameters themselves (AdamW) instead of adding to the gradient (L2). Default false. */
	readonly decoupledWeightDecay?: boolean | undefined;
}

/** Running means of the gradient and of its square, one after the other. */
export const adamSlotsPerParameter = 2;

/**
 * One step of Adam (Kingma and Ba, ICLR 2015, algorithm 1), or of AdamW (Loshchilov and Hutter, ICLR 2019,
 * algorithm 2), on flat vectors.
 */
export function adam(g: GraphBuilder, operands: OptimiserOperands, settings: AdamSettings): OptimiserResult {
	const { slots, learningRate, step } = operands;
	const { beta1, beta2, epsilon, weightDecay, decoupledWeightDecay = false } = settings;
	let { params, gradient } = operands;
	if (weightDecay !== 0 && decoupledWeightDecay) {
		const kept = g.add("Sub", [g.scalar(1), g.add("Mul", [learningRate, g.scalar(weightDecay)])]);
		params = g.add("Mul", [params, kept]);
	} else if (weightDecay !== 0) {
		gradient = g.add("Add", [gradient, g.add("Mul", [params, g.scalar(weightDecay)])]);
	}
	const length = params.shape[0] as number;
	const [mean, square] = g.addMany("Split", [slots, g.ints([length, length])], 2, { axis: int(0) });
	const nextMean = runningMean(g, mean, gradient, beta1);
	const nextSquare = runningMean(g, square, g.add("Mul", [gradient, gradient]), beta2);
	// p - (rate / c1) m / (sqrt(v / c2) + epsilon) with sqrt(c2) moved into the scalars.
	const root = g.add("Sqrt", [correction(g, beta2, step)]);
	const rate = g.add("Mul", [g.add("Div", [learningRate, correction(g, beta1, step)]), root]);
	const deviation = g.add("Add", [g.add("Sqrt", [nextSquare]), g.add("Mul", [root, g.scalar(epsilon)])]);
	const change = g.add("Mul", [g.add("Div", [nextMean, deviation]), rate]);
	return {
		params: g.add("Sub", [params, change]),
		slots: g.add("Concat", [nextMean, nextSquare], { axis: int(0) }),
	};
}

function runningMean(g: GraphBuilder, mean: Value | undefined, value: Value, beta: number): Value {
	return g.add("Add", [g.add("Mul", [mean, g.scalar(beta)]), g.add("Mul", [value, g.scalar(1 - beta)])]);
}

/** 1 - beta^step. In float64: 1 - 0.999 in float32 is 5e-5 off. */
function correction(g: GraphBuilder, beta: number, step: Value): Value {
	const base = g.constant(tensor("float64", [], Float64Array.of(beta)));
	const power = g.add("Pow", [base, castTo(g, step, "float64")]);
	return castTo(g, g.add("Sub", [numberLike(g, power, 1), power]), "float32");
}
